-- SPDX-License-Identifier: MIT
--
-- Load on `sojourn demo`, for wrk:
--
--	wrk -t 2 -c 16 -d 10s -s demo_load.lua URL -- JAR
--
-- JAR has lines user|id|csrf. Each request is of the next session, on its own
-- connection; every fourth one counts. New ids are followed as a browser would.
-- Writes JAR.after, and a line "word number" for each number seen.

local threads = 0
local all = {}

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
	table.insert(all, thread)
end

function init(args)
	sent, sent_counts, counted = 0, 0, 0
	ok, failed, refused, torn = 0, 0, 0, 0
	won, lost = 0, 0
	users, ids, tokens, place = {}, {}, {}, {}
	pids = {}
	jar = args[1]
	mine = 0

	-- wrk starts each thread's script on its own; 2 threads share the jar.
	local line_number = 0
	for line in io.lines(jar) do
		local user, id, csrf = line:match("^([^|]*)|([^|]*)|([^|]*)$")
		if user and line_number % 2 == number % 2 then
			mine = mine + 1
			users[mine], ids[mine], tokens[mine] = user, id, csrf
			place[user] = mine
		end
		line_number = line_number + 1
	end
	next_one = 0
end

function request()
	next_one = next_one % mine + 1
	sent = sent + 1
	local headers = {
		["Accept"] = "application/json",
		["Connection"] = "close",
		["Cookie"] = "sid=" .. ids[next_one],
	}
	if sent % 4 ~= 0 then
		return wrk.format("GET", "/profile", headers)
	end
	sent_counts = sent_counts + 1
	headers["X-CSRF-Token"] = tokens[next_one]
	return wrk.format("POST", "/counter", headers)
end

function response(status, headers, body)
	if status ~= 200 then
		failed = failed + 1
		if status == 401 then
			refused = refused + 1
		end
		return
	end
	ok = ok + 1
	if headers["X-Session-Check"] ~= "ok" then
		torn = torn + 1
	end
	if body:find('"counted":true', 1, true) then
		counted = counted + 1
	end
	pids[headers["X-Worker-Pid"] or "?"] = 1

	local renewal = headers["X-Session-Renewal"]
	if renewal == "won" then
		won = won + 1
	elseif renewal ~= "none" then
		lost = lost + 1
	end
	local cookie = headers["Set-Cookie"]
	if cookie then
		local id = cookie:match("^sid=([^;]+)")
		local at = place[body:match('"user":"([^"]*)"')]
		if id and at then
			ids[at] = id
			tokens[at] = headers["X-CSRF-Token"] or tokens[at]
		end
	end
end

local function put(out, word, value)
	out:write(string.format("%s %d\n", word, value))
end

function done(summary, latency, requests)
	local names = {
		"sent", "sent_counts", "counted", "ok", "failed", "refused",
		"torn", "won", "lost",
	}
	local jar = all[1]:get("jar")
	local after = assert(io.open(jar .. ".after", "w"))
	local sums, workers = {}, {}

	for _, thread in ipairs(all) do
		for _, name in ipairs(names) do
			sums[name] = (sums[name] or 0) + thread:get(name)
		end
		for pid in pairs(thread:get("pids")) do
			workers[pid] = true
		end
		local users, ids = thread:get("users"), thread:get("ids")
		local tokens = thread:get("tokens")
		for i = 1, #users do
			after:write(users[i], "|", ids[i], "|", tokens[i], "\n")
		end
	end
	after:close()

	local count = 0
	for _ in pairs(workers) do
		count = count + 1
	end
	for _, name in ipairs(names) do
		put(io.stdout, name, sums[name])
	end
	put(io.stdout, "workers", count)
	put(io.stdout, "rate", summary.requests / (summary.duration / 1e6))
	put(io.stdout, "p99_us", latency:percentile(99))
	put(io.stdout, "broken", summary.errors.connect + summary.errors.read +
		summary.errors.write + summary.errors.timeout)
end
