"use strict";
// Takes a token from the address's fragment, or from the form, to this page's own server.

const said = document.getElementById("said");
const form = document.getElementById("enter");
const field = document.getElementById("token");

// A whole link may be pasted: …#TOKEN@FINGERPRINT, where the fingerprint is the feed's.
function tokenOf(text) {
  return text.trim().split("#").pop().split("@")[0];
}

async function enter(text) {
  said.textContent = "One moment …";
  form.hidden = true;
  try {
    const answer = await fetch("/enter", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: tokenOf(text) }),
    });
    if (answer.ok) {
      location.replace("/window");
      return;
    }
    said.textContent = (await answer.json()).why;
  } catch (error) {
    said.textContent = "The page's server doesn't answer; try again in a moment.";
  }
  form.hidden = false;
  field.value = "";
  field.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  enter(field.value);
});

async function start() {
  const fragment = location.hash.slice(1);
  if (fragment) {
    history.replaceState(null, "", "/"); // out of the address bar, the history and bookmarks
    await enter(decodeURIComponent(fragment));
    return;
  }
  const answer = await fetch("/entered").then((one) => one.json()).catch(() => null);
  if (answer?.entered) location.replace("/window");
}

start();
addEventListener("hashchange", start);
