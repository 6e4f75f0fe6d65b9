# SPDX-License-Identifier: MIT
#
# Includes point down the layers; L0 to L4 know nothing of sessions; nothing
# outside helper/ knows the wheel; a binding sees the public API only.

BEGIN {
	rank["base"] = 0
	rank["shm"] = 1
	rank["rcu"] = 2
	rank["store"] = 3
	rank["upkeep"] = 4
	rank["session"] = 5
	rank["token"] = 6
	rank["helper"] = 6
	rank["bindings"] = 7
}

FNR == 1 {
	reset_code()
	layer = layer_of(FILENAME)
	if (layer != "" && !(layer in rank))
		report(FILENAME, 1, "src/" layer " is no layer")
	low = (layer in rank) && rank[layer] <= 4
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	name = $0
	sub(/^[^"<]*["<]/, "", name)
	sub(/[">].*$/, "", name)
	if ($0 ~ /"/)
		check_internal(name)
	else if (low && name ~ /^sojourn\// && \
		 name !~ /^sojourn\/(export|version|stat)\.h$/)
		report(FILENAME, FNR, "layer " layer " includes <" name ">")
	next
}

{
	text = code($0)
	if (low && tolower(text) ~ /session/)
		report(FILENAME, FNR, "layer " layer " names a session")
	if (layer != "helper" && FILENAME !~ /(^|\/)tests\// && \
	    tolower(text) ~ /wheel/)
		report(FILENAME, FNR, "only the helper knows the wheel")
}

END { exit bad }

function check_internal(name,    target) {
	if (layer == "") {
		# tools and tests see every layer, but name it too.
		return
	}
	if (name !~ /\//) {
		report(FILENAME, FNR, "\"" name "\" does not name its layer")
		return
	}
	target = name
	sub(/\/.*$/, "", target)
	if (target == layer)
		return
	if (!(target in rank)) {
		report(FILENAME, FNR, "\"" name "\" is in no layer")
	} else if (layer == "bindings") {
		report(FILENAME, FNR, "a binding includes \"" name "\"")
	} else if (rank[target] >= rank[layer]) {
		report(FILENAME, FNR, layer " includes \"" name \
		       "\", which is not below it")
	}
}
