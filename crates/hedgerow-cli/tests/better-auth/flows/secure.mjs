// Cookies of a server that is reached by https.
import { get, post } from "./steps.mjs";

export const secure = [
  post("sign-up", "/sign-up/email", { name: "Sec", email: "sec@example.com", password: "password-1234" }, { newJar: "sec" }),
  get("session", "/get-session", { jar: "sec" }),
  post("sign-in, not remembered", "/sign-in/email", { email: "sec@example.com", password: "password-1234", rememberMe: false }),
  post("google", "/sign-in/social", { provider: "google", callbackURL: "/dashboard" }),
  post("sign-out", "/sign-out", {}, { jar: "sec" }),
];
