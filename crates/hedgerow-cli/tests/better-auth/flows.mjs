// All that is asked of a server, as data. A step is {name, jar?, newJar?, request: {method, path, headers, body, form, text,
// origin}, capture?, mail?, sql?, totp?, visit?, oldestFirst?, differs?}:
//   jar           cookies that are sent and kept; newJar begins without any; noJar keeps the cookies in the jar
//   origin        of a POST is the server's own unless it says another, or false for none
//   capture       {name: "body.path" | "header.name" | "cookie.session_token"}, used later as {{name}} or {{enc:name}}
//   mail          {template, to, capture: {url|path|token|code: name}}: a mail that must come
//   sql           runs before the request; a step with only sql answers its rows
//   totp          an otpauth:// address; {{totp}} is a code of it
//   visit         {from, as}: goes to the fake GitLab's captured address as this person; {{back}} is where it sends one
//   oldestFirst   the list in the body whose order is nobody's promise, sorted by createdAt
//   differs       {reason, status?, headers?, body?, set?}: what Hedgerow answers instead, on purpose
import { accounts } from "./flows/accounts.mjs";
import { administration } from "./flows/administration.mjs";
import { emails } from "./flows/emails.mjs";
import { limited } from "./flows/limited.mjs";
import { plugins } from "./flows/plugins.mjs";
import { secure } from "./flows/secure.mjs";
import { sessions } from "./flows/sessions.mjs";
import { social } from "./flows/social.mjs";
import { verify } from "./flows/verify.mjs";

const FLOWS = {
  core: [...sessions, ...emails, ...accounts, ...social, ...administration],
  verify,
  secure,
  limited,
  plugins,
};

/** The steps of a profile, in order; their names are theirs alone. */
export function flowsOf(profile) {
  const steps = FLOWS[profile];
  if (!steps) throw new Error(`there are no flows of ${profile}`);
  const names = new Set();
  for (const { name } of steps) {
    if (names.has(name)) throw new Error(`two steps of ${profile} are called "${name}"`);
    names.add(name);
  }
  return steps;
}
