"use strict";
// Starts the terminal once its font is there, says why it ended, and comes back by itself.

const said = document.getElementById("said");
const again = document.getElementById("again");
const leave = document.getElementById("leave");
const ways = document.getElementById("ways");
const terminal = document.getElementById("terminal");

// Codes of the server's own closings; see site.py.
const LEFT = 4001, NOT_LET_IN = 4003, TOO_MANY = 4013;
const LEAST_COLUMNS = 80, LEAST_FONT = 8, MOST_FONT = 16, ADVANCE = 0.6;
const TAKEN_EVERY_MS = 200;

if (location.hash) location.replace("/" + location.hash); // a new token: through the door

function over(text, mayComeBack) {
  document.body.classList.add("-over");
  said.textContent = text;
  ways.hidden = !mayComeBack;
}

// Ends early when somebody looks again: a hidden page's timers run late, a frozen one's not at all.
function pause(ms) {
  return new Promise((done) => {
    const over = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", over);
      done();
    };
    const timer = setTimeout(over, ms);
    document.addEventListener("visibilitychange", over);
  });
}

async function comeBack() {
  for (let wait = 1000; ; wait = Math.min(wait * 2, 15000)) {
    await pause(wait * (0.8 + 0.4 * Math.random()));
    if (document.hidden) continue; // nobody looks: no process needs to run for it
    const answer = await fetch("/entered").then((one) => one.json()).catch(() => null);
    if (answer) {
      location.replace(answer.entered ? "/window" : "/");
      return;
    }
  }
}

function ended(code, reason) {
  if (code === NOT_LET_IN) {
    over(reason, true);
    again.hidden = true;
    leave.textContent = "Use another link";
  } else if (code === LEFT || code === TOO_MANY) {
    over(reason, true);
  } else {
    over((reason || "The connection was lost.") + " It comes back by itself …", true);
    comeBack();
  }
}

// The terminal script opens its WebSocket with this class. What it was given and had time to
// draw is told to the server, which sends no more than a little ahead of that.
window.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url);
    let got = 0, told = 0;
    this.addEventListener("message", (event) => {
      if (event.data instanceof ArrayBuffer) got += event.data.byteLength;
    });
    const telling = setInterval(() => {
      if (got !== told && this.readyState === WebSocket.OPEN) {
        told = got;
        this.send(JSON.stringify(["taken", told]));
      }
    }, TAKEN_EVERY_MS);
    this.addEventListener("close", (event) => {
      clearInterval(telling);
      ended(event.code, event.reason);
    });
  }
};

const columns = innerWidth / ADVANCE / LEAST_COLUMNS;
const size = Math.max(LEAST_FONT, Math.min(MOST_FONT, Math.floor(columns)));
terminal.dataset.fontSize = String(size);
const scheme = location.protocol === "https:" ? "wss" : "ws";
terminal.dataset.sessionWebsocketUrl = `${scheme}://${location.host}/ws`;

addEventListener("load", async () => {
  const fonts = ["400", "700"].map((weight) => document.fonts.load(`${weight} 16px "Roboto Mono"`));
  await Promise.allSettled(fonts);
  const script = document.createElement("script");
  script.src = "/static/textual.js";
  script.onload = () => window.onload(new Event("load")); // it waits for an event that was
  script.onerror = () => over("The terminal can't be loaded.", true);
  document.head.append(script);
});

// A keyboard is of use at once; on a phone it would cover half of the window.
new MutationObserver((_, observer) => {
  if (!document.body.classList.contains("-first-byte")) return;
  observer.disconnect();
  if (!matchMedia("(pointer: coarse)").matches) {
    document.querySelector(".xterm-helper-textarea")?.focus();
  }
}).observe(document.body, { attributeFilter: ["class"] });

again.addEventListener("click", () => location.reload());
leave.addEventListener("click", async () => {
  await fetch("/leave", { method: "POST" }).catch(() => null);
  location.replace("/");
});
