// Tables as CSV, for spreadsheets.

const cell = (value) => {
  // a spreadsheet reads a text that begins so as a formula
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

// The rows of these columns, the names of the columns first.
const csv = (columns, rows) =>
  [columns, ...rows.map((row) => columns.map((name) => row[name]))]
    .map((cells) => `${cells.map(cell).join(",")}\r\n`)
    .join("");

export { csv };
