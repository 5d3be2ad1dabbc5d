-- Sends the requests of the file REQUESTS, one after the other: path, headers and body a line.
-- Begins after the first SENT, which an earlier run has sent.
-- A `{}` in one becomes the number of the request, so that few lines make many distinct requests.
-- Each connection waits PAUSE_MS, give or take a half, between an answer and its next request.
local requests, rests = {}, {}
local position = tonumber(os.getenv("SENT") or "0")
local pause = tonumber(os.getenv("PAUSE_MS") or "0")

function init(_arguments)
  for line in io.lines(os.getenv("REQUESTS")) do
    local path, headers, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local fields = { ["Content-Type"] = "application/json" }
    for name, value in headers:gmatch("([^:|]+):([^|]+)") do fields[name] = value end
    local whole = wrk.format("POST", path, fields, body)
    local before, after = whole:match("^(.-){}(.*)$")
    requests[#requests + 1] = before or whole
    rests[#requests] = after
  end
end

function request()
  local place = position % #requests + 1
  position = position + 1
  local rest = rests[place]
  return rest and requests[place] .. position .. rest or requests[place]
end

if pause > 0 then
  function delay() return math.floor(pause * (0.5 + math.random())) end
end

function done(summary, latency, _requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
