// The timeline's bars, unpacked from the data and laid into lanes.
const EACH = 40; // jobs up to which each has a row of its own

// [{job, id, name, model, phase, mark, start, end}], times in seconds since the epoch
function unpack(timeline, begin) {
  const bars = [];
  timeline.bars.forEach((number, job) => {
    for (let i = 0; i < number; i += 1) {
      const at = bars.length;
      const start = begin + timeline.start[at] / 10;
      bars.push({
        job,
        id: timeline.ids[job],
        name: timeline.names[job],
        model: timeline.model_names[timeline.models[job]],
        phase: timeline.phases[timeline.phase[at]],
        mark: timeline.marks[timeline.mark[at]],
        start,
        end: start + timeline.length[at] / 10,
      });
    }
  });
  return bars;
}

// Gives each bar its `lane`; returns how many there are. A job keeps its lane until it has to wait again.
function pack(bars, jobs) {
  if (jobs <= EACH) {
    for (const bar of bars) bar.lane = bar.job;
    return jobs;
  }
  const holds = together(bars).sort((a, b) => a[0].start - b[0].start);
  const ends = [];
  for (const hold of holds) {
    let lane = ends.findIndex((end) => end <= hold[0].start);
    if (lane < 0) lane = ends.length;
    ends[lane] = hold.at(-1).end;
    for (const bar of hold) bar.lane = lane;
  }
  return ends.length;
}

function together(bars) {
  const holds = [];
  bars.forEach((bar, i) => {
    const before = bars[i - 1];
    if (before && before.job === bar.job && bar.start - before.end < 0.25) holds.at(-1).push(bar);
    else holds.push([bar]);
  });
  return holds;
}

export { EACH, pack, unpack };
