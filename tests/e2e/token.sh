#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# J1 to J7 for operators: `sojourn token`.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

web=$prefix-web
create "$web"
key=$work/key.jwk
world=(--keys "$key" --issuer https://id.example --audience api.example)

# pair WORD...: a login; sets access and refresh.
pair() {
	run 0 token create "$web" "${world[@]}" "$@"
	equal 2 "$(wc -l <"$out")"
	access=$(head -n 1 "$out")
	refresh=$(tail -n 1 "$out")
}

# given TEXT CODE WORD...: a command that reads the text.
given() {
	local text=$1

	shift
	run "$@" <<<"$text"
}

# refused TEXT NAME: verifying it says why.
refused() {
	given "$1" 1 token verify "$web" "${world[@]}" --json
	json .refused "\"$2\""
	given "$1" 1 token verify "$web" "${world[@]}"
	prints ""
}

section "keys"
for alg in HS256 ES384 EdDSA; do
	run 0 token key new $alg --kid k-$alg
	json .alg "\"$alg\""
	json .kid "\"k-$alg\""
	cp "$out" "$work/$alg.jwk"
	run 0 token key show "$work/$alg.jwk"
	json '[.keys[] | has("d") or has("k")] | any' false
done
run 0 token key show "$work/ES384.jwk"
json '.keys | length' 1
run 0 token key show "$work/HS256.jwk"
json '.keys | length' 0
run 64 token key new none
run 64 token key new
run 64 token key
run 64 token key new RS256 --rsa-bits 1024
run 66 token key show "$work/none"
cp "$work/EdDSA.jwk" "$key"

section "a pair"
echo '{"scope":"read"}' >"$work/claims"
pair --subject anna --claims "$work/claims"
given "$access" 0 token verify "$web" "${world[@]}"
json .sub '"anna"'
json .scope '"read"'
json .iss '"https://id.example"'
run 0 token verify "$web" "${world[@]}" --token <(echo "$access")
run 0 token create "$web" "${world[@]}" --subject anna --json
json 'has("access") and has("refresh")' true
json .subject '"anna"'
run 0 token create "$web" "${world[@]}" --subject anna --no-refresh
equal 1 "$(wc -l <"$out")"
run 64 token create "$web" "${world[@]}"
says "--subject"
run 64 token create "$web" "${world[@]}" --subject anna --ttl 1d
says "access_ttl_ms"
run 64 token create "$web" "${world[@]}" --subject anna --skew 61s
echo '{"sub":"otto"}' >"$work/claims"
run 64 token create "$web" "${world[@]}" --subject anna \
	--claims "$work/claims"

run 64 token create "$web" "${world[@]}" --subject anna --refresh-ttl 0
says "--refresh-ttl 0" "at least 1ms"
run 64 token create "$web" "${world[@]}" --subject anna --no-refresh \
	--refresh-ttl 1h
says "--refresh-ttl" "--no-refresh"
# Of what is read, one can be standard input: the token, if nothing is said.
given "$(cat "$key")" 64 token create "$web" "${world[@]}" --keys - \
	--subject anna --claims -
says "--keys" "--claims" "standard input"
for word in verify refresh revoke; do
	given "$access" 64 token $word "$web" "${world[@]}" --keys -
	says "--keys" "--token" "standard input"
	given "$access" 64 token $word "$web" "${world[@]}" --keys - --token -
	says "--keys" "--token" "standard input"
done
given "$(cat "$key")" 0 token verify "$web" "${world[@]}" --keys - \
	--token <(echo "$access")
given "$(cat "$key")" 0 token create "$web" "${world[@]}" --keys - \
	--subject anna

section "why a token is refused"
refused "" parts
refused "${access%?????}AAAAA" signature
refused "$access=" signature_base64
given "$access" 1 token verify "$web" --keys "$key" --json \
	--issuer https://id.example --audience else.example
json .refused '"aud"'
given "$access" 1 token verify "$web" --keys "$work/ES384.jwk" --json \
	--issuer https://id.example --audience api.example
json .refused '"key_unknown"'
create "$prefix-other"
given "$access" 1 token verify "$prefix-other" "${world[@]}" --json
json .refused '"segment"'

section "refresh, revoke"
given "$refresh" 0 token refresh "$web" "${world[@]}"
next=$(head -n 1 "$out")
given "$next" 0 token verify "$web" "${world[@]}"
json .scope '"read"'
given "$next" 0 token revoke "$web" "${world[@]}" --restrict
refused "$access" restricted
refused "$next" restricted
given "$refresh" 0 token refresh "$web" "${world[@]}"
next=$(head -n 1 "$out")
given "$next" 0 token verify "$web" "${world[@]}"
given "$next" 0 token revoke "$web" "${world[@]}"
refused "$next" revoked
given "$refresh" 1 token refresh "$web" "${world[@]}"
given "nonsense" 1 token revoke "$web" "${world[@]}"
given "not.a.token" 1 token revoke "$web" "${world[@]}"
pair --subject anna
run 0 token revoke "$web" "${world[@]}" --subject anna
refused "$access" subject
given "$refresh" 1 token refresh "$web" "${world[@]}"
pair --subject anna
given "$access" 0 token verify "$web" "${world[@]}"
run 0 token revoke "$web" "${world[@]}" --subject anna --restrict
refused "$access" subject
run 0 events "$web" --json
equal '["token_restricted","token_revoked","tokens_revoked","tokens_restricted"]' \
	"$(jq -sc 'map(.type) | map(select(startswith("token")))' <"$out")"
# No token is read then: the key may be.
given "$(cat "$key")" 0 token revoke "$web" "${world[@]}" --keys - \
	--subject anna

section "an attacker's file"
head -c 31 /dev/zero | tr '\0' k >"$work/short"
run 64 token create "$web" --keys "$work/short" --alg HS256 --kid k \
	--issuer i --audience a --subject anna
says "32 to 512 bytes"
equal 0 "$(grep -c kkkk "$err")"

finish
