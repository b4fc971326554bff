// Before the first run: buttons that copy the commands, and the page itself as soon as there is a database.

const EVERY = 1000;

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = !navigator.clipboard; // only over HTTPS and on this machine
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
    button.textContent = "Copied";
  });
}

async function look() {
  try {
    const answer = await fetch("/api/progress");
    if (answer.status !== 204) return location.reload(); // there is a run, or something is wrong
  } catch {
    // the server has ended; it may come again
  }
  setTimeout(look, EVERY);
}

look();
