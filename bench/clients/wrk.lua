-- wrk's side: connect to 127.0.0.1:BENCH_PORT whatever the URL's host, and print the figures as one line of JSON.
function wrk.resolve(host, service)
  wrk.addrs = wrk.lookup("127.0.0.1", os.getenv("BENCH_PORT"))
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"seconds": %.6f, "requests": %d, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d, "timeouts": %d}\n',
    summary.duration / 1e6, summary.requests, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status, e.timeout))
end
