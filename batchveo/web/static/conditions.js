// Literals of the language of conditions.

const quoted = (text) => `"${text.replace(/["\\]/g, "\\$&")}"`;

// Seconds since the epoch as a condition has them: a text in UTC, without zeros at its end.
function utc(at) {
  const micros = Math.round(at * 1e6);
  const second = new Date(Math.floor(micros / 1e6) * 1000).toISOString().slice(0, 19);
  const rest = String(((micros % 1e6) + 1e6) % 1e6)
    .padStart(6, "0")
    .replace(/0+$/, "");
  return rest ? `${second}.${rest}` : second;
}

export { quoted, utc };
