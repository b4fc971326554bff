// US dollars in words, rounded as `batchveo.core.formatting` does: to whole millionths first, then half a cent up.
const MICROS_OF_CENT = 10000;
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

// The nearest whole number of cents; halves go away from zero.
function cents(usd) {
  const micros = Math.floor(Math.abs(usd) * 1e6 + 0.5);
  return Math.sign(usd) * Math.floor((micros + MICROS_OF_CENT / 2) / MICROS_OF_CENT);
}

// $471.84, -$0.50; – where nobody knows
function words(usd) {
  if (usd === null || usd === undefined) return "–";
  const all = cents(usd);
  const whole = Math.abs(all);
  return `${all < 0 ? "-" : ""}$${WHOLE.format(Math.floor(whole / 100))}.${String(whole % 100).padStart(2, "0")}`;
}

export { cents, words };
