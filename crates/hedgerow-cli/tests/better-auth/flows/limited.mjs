// The limit of requests. The server believes the X-Forwarded-For of this program.
import { get, post } from "./steps.mjs";

const attempt = (name, from) =>
  post(name, "/sign-in/email", { email: "nobody@example.com", password: "xxxxxxxx" }, { headers: { "x-forwarded-for": from } });

export const limited = [
  ...[1, 2, 3, 4].map((time) => attempt(`attempt ${time}`, "203.0.113.7")),
  attempt("attempt from elsewhere", "203.0.113.8"),
  attempt("attempt from behind two proxies", "1.1.1.1, 203.0.113.9"),
  ...[1, 2, 3, 4].map((time) => attempt(`attempt ${time}, one network of IPv6`, `2001:db8:1:2::${time}`)),
  get("another path from the same address", "/get-session", { headers: { "x-forwarded-for": "203.0.113.7" } }),
];
