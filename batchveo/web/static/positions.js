// Where cards stand: rows of one height, so that any position is found by arithmetic, with headings between groups.

const GAP = 16;
const HEADING = 52;
const ROW = 68; // of the list
const BODY = 134; // below the picture of a card
// The frame of all pictures, and the least width of a card with it.
const SHAPES = {
  wide: { ratio: 9 / 16, least: 264 },
  square: { ratio: 1, least: 220 },
  upright: { ratio: 16 / 9, least: 176 },
};
const MOST_PIXELS = 12_000_000; // browsers draw no higher element; beyond, the scrollbar is a scale

// Width by height, of a number or of 16:9; undefined if it is not known.
function ratioOf(aspect) {
  if (typeof aspect === "number") return aspect > 0 ? aspect : undefined;
  const [, width, height] = /^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec(aspect ?? "") ?? [];
  return Number(width) > 0 && Number(height) > 0 ? width / height : undefined;
}

const shapeOf = (aspect) => {
  const ratio = ratioOf(aspect);
  if (ratio === undefined) return undefined;
  return ratio < 0.8 ? "upright" : ratio > 1.25 ? "wide" : "square";
};

// The frame that most of these clips fill.
function chooseShape(jobs) {
  const counts = { wide: 0, square: 0, upright: 0 };
  for (const { aspect } of jobs) {
    const shape = shapeOf(aspect);
    if (shape) counts[shape] += 1;
  }
  const known = counts.wide + counts.square + counts.upright;
  return Object.keys(counts).find((shape) => counts[shape] > known * 0.6) ?? "wide";
}

// `groups`: the sizes of groups, which begin on rows of their own below a heading.
function arrange({ width, total, list, shape, groups }) {
  const { ratio, least } = SHAPES[shape];
  const columns = list ? 1 : Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  const card = (width - GAP * (columns - 1)) / columns;
  const media = list ? [80, 45] : [card, Math.round(card * ratio)];
  const row = list ? ROW : media[1] + BODY + GAP;
  const size = { columns, width: card, row, height: list ? ROW : row - GAP, media };
  return groups ? arrangeGroups(groups, size) : arrangeAll(total, size);
}

function arrangeAll(total, size) {
  const { columns, row, width } = size;
  return {
    ...size,
    total,
    tall: Math.ceil(total / columns) * row,
    place: (index) => ({ x: (index % columns) * (width + GAP), y: Math.floor(index / columns) * row }),
    between: (top, bottom) => [
      Math.max(0, Math.floor(top / row) * columns),
      Math.min(total, Math.ceil(bottom / row) * columns),
    ],
    headings: () => [],
    below: (index, rows) => index + rows * columns,
  };
}

function arrangeGroups(groups, size) {
  const { columns, row, width } = size;
  const starts = []; // the position of the first of each group
  const tops = [];
  let total = 0;
  let tall = 0;
  for (const jobs of groups) {
    starts.push(total);
    tops.push(tall);
    total += jobs;
    tall += HEADING + Math.ceil(jobs / columns) * row;
  }

  // The last group that begins at `value` or before.
  function groupAt(values, value) {
    let low = 0;
    let high = values.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (values[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function edge(y, round) {
    const group = groupAt(tops, y);
    const rows = Math.max(0, round((y - tops[group] - HEADING) / row));
    return starts[group] + Math.min(rows * columns, groups[group]);
  }

  function step(index, rows) {
    const group = groupAt(starts, index);
    const within = index - starts[group];
    const column = within % columns;
    const lastRow = (jobs) => Math.floor((jobs - 1) / columns) * columns;
    if (rows > 0) {
      if (within < lastRow(groups[group])) return Math.min(index + columns, starts[group] + groups[group] - 1);
      return group + 1 < groups.length ? starts[group + 1] + Math.min(column, groups[group + 1] - 1) : index;
    }
    if (within >= columns) return index - columns;
    if (!group) return index;
    return starts[group - 1] + Math.min(lastRow(groups[group - 1]) + column, groups[group - 1] - 1);
  }

  return {
    ...size,
    total,
    tall,
    place: (index) => {
      const group = groupAt(starts, index);
      const within = index - starts[group];
      return {
        x: (within % columns) * (width + GAP),
        y: tops[group] + HEADING + Math.floor(within / columns) * row,
      };
    },
    between: (top, bottom) => (total ? [edge(top, Math.floor), edge(bottom, Math.ceil)] : [0, 0]),
    headings: (top, bottom) => {
      const found = [];
      for (let group = groupAt(tops, top); group < groups.length && tops[group] < bottom; group += 1)
        found.push({ group, first: starts[group], jobs: groups[group], y: tops[group] });
      return found;
    },
    below: (index, rows) => {
      let to = index;
      for (let moved = 0; moved < Math.abs(rows); moved += 1) to = step(to, rows);
      return to;
    },
  };
}

export { arrange, chooseShape, MOST_PIXELS, ratioOf, shapeOf };
