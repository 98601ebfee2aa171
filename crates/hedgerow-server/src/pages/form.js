"use strict";
const form = document.querySelector("form");
const problem = document.getElementById("problem");
const asked = new URLSearchParams(location.search);
const say = (text) => { problem.textContent = text; };

async function send(path, body) {
  const answer = await fetch("/api/auth" + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.message || "That did not work (" + answer.status + ").");
  return said;
}

// A path of this server that the link names, whatever it says; without one, the page tells who is signed in.
async function onwards() {
  const next = asked.get("next") || "";
  if (next.startsWith("/")) {
    try {
      const url = new URL(next, location.origin);
      if (url.origin === location.origin) return location.assign(url.pathname + url.search);
    } catch (_) { /* not an address */ }
  }
  await tell();
}

async function tell() {
  const answer = await fetch("/api/auth/get-session");
  const session = await answer.json();
  if (!session) return;
  form.hidden = true;
  document.querySelector("nav").hidden = true;
  document.querySelector("h1").textContent = "Signed in as " + session.user.email;
  const out = document.createElement("button");
  out.textContent = "Sign out";
  out.addEventListener("click", async () => { await send("/sign-out", {}); location.assign("/sign-in"); });
  document.body.append(out);
}

async function signedIn(said) {
  if (said.twoFactorRedirect) {
    document.getElementById("second").hidden = false;
    form.elements.code.required = true;
    form.elements.code.focus();
    say("Enter the code of your authenticator app.");
    return;
  }
  await onwards();
}

const flows = {
  async "sign-in"(fields) {
    if (!document.getElementById("second").hidden) {
      await send("/two-factor/verify-totp", { code: fields.code.value.trim() });
      return onwards();
    }
    await signedIn(await send("/sign-in/email", { email: fields.email.value, password: fields.password.value }));
  },
  async "sign-up"(fields) {
    const body = { name: fields.name.value, email: fields.email.value, password: fields.password.value };
    if (asked.get("invitation")) body.invitation = asked.get("invitation");
    const said = await send("/sign-up/email", body);
    if (said.token) return onwards();
    form.hidden = true;
    document.querySelector("h1").textContent = "Look into your mail and follow the link in it.";
  },
  async "set-password"(fields) {
    await send("/reset-password", { token: asked.get("token") || "", newPassword: fields.password.value });
    location.assign("/sign-in");
  },
};

if (asked.get("error")) say("The link does not work any more. Ask for a new one.");
const forgot = document.getElementById("forgot");
if (forgot) forgot.addEventListener("click", async (event) => {
  event.preventDefault();
  const email = form.elements.email.value;
  if (!email) return say("Enter your e-mail address first.");
  try {
    const said = await send("/request-password-reset", { email, redirectTo: "/set-password" });
    say(said.message);
  } catch (error) {
    say(error.message);
  }
});
if (form.dataset.form === "sign-in") tell();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say("");
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await flows[form.dataset.form](form.elements);
  } catch (error) {
    say(error.message);
  } finally {
    button.disabled = false;
  }
});
