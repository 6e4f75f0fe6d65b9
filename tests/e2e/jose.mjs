// SPDX-License-Identifier: MIT
//
// Tokens and keys between this library (jose_peer) and the npm package jose, both
// ways, for every algorithm. usage: node jose.mjs PEER, beside node_modules
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';

import * as jose from 'jose';

const peer = spawn(process.argv[2], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
let checks = 0;
let failures = 0;

async function ask(...words) {
	peer.stdin.write(words.join('\t') + '\n');
	const { value, done } = await answers.next();
	if (done) throw new Error('jose_peer ended');
	return value;
}

function check(what, good, more = '') {
	checks++;
	if (good) return;
	failures++;
	console.log(`FAILED: ${what} ${more}`);
}

const b64 = (text) => Buffer.from(text).toString('base64url');
const keys = (form, text, alg = '-') => `${alg}:${form}:${b64(text)}`;
const jwkKeys = (jwk) => keys('jwk', JSON.stringify(jwk));

const now = new Date(1700000000000);
const claims = {
	iss: 'https://id.example',
	aud: ['other', 'api.example'],
	sub: 'älice "x"',
	jti: 't1',
	iat: 1700000000,
	exp: 1700000060.5,
	role: { admin: [true, null, 1.5, 'é\n'] },
};

const algs = [
	...['HS', 'RS', 'PS', 'ES'].flatMap((kind) =>
		['256', '384', '512'].map((bits) => kind + bits)),
	'EdDSA',
];

async function theyVerify(what, token, key, alg) {
	const options = {
		issuer: claims.iss, audience: 'api.example', typ: 'at+jwt',
		algorithms: [alg], currentDate: now, requiredClaims: ['jti'],
	};
	try {
		const { payload } = await jose.jwtVerify(token, key, options);
		check(what, isDeepStrictEqual(payload, claims));
	} catch (error) {
		check(what, false, `${error}: ${token}`);
	}
}

async function weVerify(what, token, ours) {
	const answer = await ask('verify', ours, token);
	check(what, !answer.startsWith('!') &&
		isDeepStrictEqual(JSON.parse(answer), claims), answer);
}

function changed(token) {
	const at = token.lastIndexOf('.') + 10;
	return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') +
		token.slice(at + 1);
}

// A key of ours: they read it, and each side verifies what the other one signs.
async function oursToThem(alg) {
	const jwk = JSON.parse(await ask('generate', alg));
	const secret = alg.startsWith('HS');
	check(`${alg}: our JWK names its algorithm`, jwk.alg === alg);
	const published = JSON.parse(await ask('public', jwkKeys(jwk)));
	check(`${alg}: what is published`,
		published.keys.length === (secret ? 0 : 1) &&
		!JSON.stringify(published).includes('"d"'));
	if (!secret) {
		const thumbprint = await jose.calculateJwkThumbprint(jwk);
		check(`${alg}: our kid is the thumbprint`,
			jwk.kid === thumbprint);
	}
	const token = await ask('sign', jwkKeys(jwk), JSON.stringify(claims));
	check(`${alg}: the header`, isDeepStrictEqual(
		jose.decodeProtectedHeader(token),
		{ alg, typ: 'at+jwt', kid: jwk.kid }));
	const key = secret ? await jose.importJWK(jwk, alg)
		: jose.createLocalJWKSet(published);
	await theyVerify(`${alg}: ours, they verify`, token, key, alg);
	await weVerify(`${alg}: ours, we verify`, token,
		jwkKeys(secret ? jwk : published));
	const theirs = await new jose.SignJWT(claims)
		.setProtectedHeader({ typ: 'at+jwt', alg, kid: jwk.kid })
		.sign(await jose.importJWK(jwk, alg));
	await weVerify(`${alg}: theirs with our key`, theirs, jwkKeys(jwk));
	check(`${alg}: changed`, await ask('verify', jwkKeys(jwk),
		changed(theirs)) === '!signature');
}

async function theirSecret(alg) {
	const key = await jose.generateSecret(alg, { extractable: true });
	const jwk = { ...await jose.exportJWK(key), alg, kid: 'theirs' };
	const raw = Buffer.from(jwk.k, 'base64url');
	return { key, verifyKey: key, jwk, publicJwk: jwk,
		forms: [keys('raw', raw, alg), keys('raw', raw, alg)] };
}

async function theirPair(alg) {
	const pair = await jose.generateKeyPair(alg, { extractable: true });
	const jwk = await jose.exportJWK(pair.privateKey);
	const publicJwk = await jose.exportJWK(pair.publicKey);
	const kid = await jose.calculateJwkThumbprint(publicJwk);
	return { key: pair.privateKey, verifyKey: pair.publicKey,
		jwk: { ...jwk, alg, kid }, publicJwk: { ...publicJwk, alg, kid },
		forms: [
			keys('pem', await jose.exportPKCS8(pair.privateKey), alg),
			keys('pem', await jose.exportSPKI(pair.publicKey), alg),
		] };
}

// A key of theirs, as JWK and as PEM or raw.
async function theirsToUs(alg) {
	const theirs = await (alg.startsWith('HS') ? theirSecret(alg)
		: theirPair(alg));
	const sign = (header) => new jose.SignJWT(claims)
		.setProtectedHeader({ alg, typ: 'at+jwt', ...header })
		.sign(theirs.key);
	const token = await sign({ kid: theirs.jwk.kid });
	await weVerify(`${alg}: theirs by JWK`, token, jwkKeys(theirs.publicJwk));
	await weVerify(`${alg}: theirs by JWK Set`, token,
		jwkKeys({ keys: [{ kty: 'new' }, theirs.publicJwk] }));
	await weVerify(`${alg}: theirs by PEM or raw`, await sign({}),
		theirs.forms[1]);
	await theyVerify(`${alg}: ours with their JWK`,
		await ask('sign', jwkKeys(theirs.jwk), JSON.stringify(claims)),
		theirs.verifyKey, alg);
	await theyVerify(`${alg}: ours with their PEM or raw`,
		await ask('sign', theirs.forms[0], JSON.stringify(claims)),
		theirs.verifyKey, alg);
	check(`${alg}: typ`, await ask('verify', jwkKeys(theirs.publicJwk),
		await sign({ typ: 'JWT', kid: theirs.jwk.kid })) === '!typ');
	check(`${alg}: thumbprint`, await ask('thumbprint',
		jwkKeys(theirs.publicJwk)) ===
		await jose.calculateJwkThumbprint(theirs.publicJwk));
	const other = algs[(algs.indexOf(alg) + 3) % algs.length];
	const answer = await ask('verify',
		jwkKeys({ ...theirs.publicJwk, alg: other }), token);
	check(`${alg}: as a key for ${other}`, answer.startsWith('!'), answer);
}

for (const alg of algs) {
	await oursToThem(alg);
	await theirsToUs(alg);
}
peer.stdin.end();
console.log(`${checks} checks, ${failures} failed`);
process.exit(failures === 0 && checks >= 13 * 15 ? 0 : 1);
