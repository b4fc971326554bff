// The jobs behind a figure, as the address of the gallery. Its condition is one of docs/reference/conditions.md.

import { quoted, utc } from "./conditions.js";
import { queryOf } from "./filters.js";

const before = (field, at) => `${field} < ${quoted(utc(at))}`;
const since = (field, at) => `${field} >= ${quoted(utc(at))}`;
const within = (field, [start, end]) => `${since(field, start)} and ${before(field, end)}`;

const equals = (field, value) =>
  `${field} == ${value === null || typeof value !== "string" ? value : quoted(value)}`;

// `conditions` must all be true of the jobs, which are in one of the `states` if there are any.
const jobsWhere = (conditions, states = []) =>
  `#/videos?${queryOf({ states, where: conditions.filter(Boolean).join(" and ") })}`;

const jobAt = (id) => `#/job/${encodeURIComponent(id)}`;

const go = (address) => {
  if (address) location.hash = address;
};

const TERM = /\(?(\w+) (==|>=|<) (null|true|false|-?\d[\d.e+-]*|"(?:[^"\\]|\\.)*")\)?(?: (and|or) |$)/y;
const TIMES = ["submitted_at", "completed_at", "finished_at"];

// Whether a condition that was made here is true of a job, since a report has no server to ask: terms that are joined
// by `and`, some of them several in parentheses that are joined by `or`.
function isTrueOf(where, job) {
  let isTrue = true; // of what was read so far
  let isAny = false; // of the terms that are joined by `or`
  TERM.lastIndex = 0;
  for (let at = 0; at < where.length; at = TERM.lastIndex) {
    const found = TERM.exec(where);
    if (!found) return false;
    isAny ||= compare(job, found);
    if (found[4] === "or") continue;
    isTrue &&= isAny;
    isAny = false;
  }
  return isTrue;
}

function compare(job, [, field, operator, literal]) {
  const known = job[field] ?? null;
  const value = known !== null && TIMES.includes(field) ? utc(known) : known;
  const wanted = literal.startsWith('"') ? literal.slice(1, -1).replace(/\\(.)/g, "$1") : JSON.parse(literal);
  if (operator === "==") return value === wanted;
  return value !== null && (operator === "<" ? value < wanted : value >= wanted);
}

export { before, equals, go, isTrueOf, jobAt, jobsWhere, since, within };
