#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What verifying costs in npm's jose, beside bench_token's figures of the same
# minute: for orientation, as another runtime is measured with it.
#
#	bench/token_jose.sh [BUILD]	default: build/release

set -euo pipefail
cd "$(dirname "$0")/.."

bin=${1:-build/release}/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/sojourn-jose.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo '{"private":true,"type":"module"}' >"$work/package.json"
(cd "$work" && npm install --no-audit --no-fund --no-package-lock \
	--ignore-scripts --save-exact jose@5.10.0 >log 2>&1) || {
	cat "$work/log" >&2
	exit 69
}
cat >"$work/verify.js" <<'JS'
import { SignJWT, jwtVerify, generateKeyPair } from 'jose';

const rules = { issuer: 'https://id.example', audience: 'api.example',
		typ: 'at+jwt' };

async function measure(alg, signing, verifying, calls) {
	const token = await new SignJWT({ sub: 'alice', jti: 't1' })
		.setProtectedHeader({ alg, typ: 'at+jwt' })
		.setIssuer(rules.issuer).setAudience(rules.audience)
		.setIssuedAt().setExpirationTime('1h').sign(signing);
	const times = [];

	for (let round = 0; round < 15; round++) {
		const begin = process.hrtime.bigint();

		for (let i = 0; i < calls; i++)
			await jwtVerify(token, verifying, rules);
		times.push(Number(process.hrtime.bigint() - begin) / calls);
	}
	times.sort((a, b) => a - b);
	console.log(`npm jose ${alg}: ${Math.round(times[7])} ns a token`);
}

const secret = new TextEncoder().encode('0123456789abcdef0123456789abcdef');
const pair = await generateKeyPair('EdDSA');

await measure('HS256', secret, secret, 2000);
await measure('EdDSA', pair.privateKey, pair.publicKey, 500);
JS
"$bin/bench_token"
node "$work/verify.js"
