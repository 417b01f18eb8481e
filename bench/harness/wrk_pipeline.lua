-- For wrk: so many requests in one write. Usage: wrk -s wrk_pipeline.lua URL -- COUNT
function init(args)
  local requests = {}
  for i = 1, tonumber(args[1]) do requests[i] = wrk.format() end
  batch = table.concat(requests)
end

function request()
  return batch
end
