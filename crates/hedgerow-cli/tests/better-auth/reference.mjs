// A real Better Auth server on a loopback port, for one profile and one PostgreSQL database, which it migrates first:
// `node reference.mjs --profile core --database URL --mail FILE [--port N] [--gitlab URL] [--migrate no]`. When it is ready it
// prints {"base", "gitlab"}. Mails become lines of JSON in FILE: {"type", "to", "url"?, "token"?, "code"?}.
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, bearer, emailOTP, jwt, magicLink, twoFactor, username } from "better-auth/plugins";
import pg from "pg";
import { startFakeGitlab } from "./fake-gitlab.mjs";
import { GITLAB, GOOGLE, PROFILES, SECRET, readArguments } from "./settings.mjs";

function optionsOf(profile, base, gitlab, pool, send) {
  const mail = (type) => async ({ user, url, token }) => send({ type, to: user.email, url, token });
  const core = {
    appName: "conformance",
    database: pool,
    secret: SECRET,
    baseURL: base,
    telemetry: { enabled: false },
    logger: { disabled: true },
    rateLimit: { enabled: profile === "limited" },
    emailAndPassword: { enabled: true, sendResetPassword: mail("reset-password") },
    emailVerification: { sendVerificationEmail: mail("verify-email") },
    user: {
      changeEmail: { enabled: true, sendChangeEmailConfirmation: mail("change-email-confirmation") },
      deleteUser: { enabled: true },
    },
    socialProviders: { google: GOOGLE, gitlab: { ...GITLAB, issuer: gitlab } },
    plugins: [admin({ defaultRole: "member" }), bearer()],
  };
  if (profile === "verify") {
    core.emailAndPassword.requireEmailVerification = true;
    core.user.deleteUser.sendDeleteAccountVerification = mail("delete-account");
  }
  if (profile === "secure") core.advanced = { useSecureCookies: true };
  if (profile === "plugins") {
    core.plugins.push(
      jwt(),
      twoFactor({ otpOptions: { sendOTP: async ({ user, otp }) => send({ type: "one-time-code", to: user.email, code: otp }) } }),
      username(),
      magicLink({ sendMagicLink: async ({ email, url, token }) => send({ type: "magic-link", to: email, url, token }) }),
      emailOTP({ sendVerificationOTP: async ({ email, otp }) => send({ type: "one-time-code", to: email, code: otp }) }),
    );
  }
  return core;
}

/** Starts a server in this process. */
export async function startReference({ profile, database, mail, port = 0, gitlab, migrate = true }) {
  if (!PROFILES.includes(profile)) throw new Error(`there is no profile ${profile}: ${PROFILES.join(", ")}`);
  const fake = gitlab ? { url: gitlab, stop: () => {} } : await startFakeGitlab();
  let handler;
  const server = createServer((request, response) => handler(request, response));
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  const base = `http://127.0.0.1:${server.address().port}`;
  const pool = new pg.Pool({ connectionString: database });
  pool.on("error", () => {});
  const send = (letter) => appendFileSync(mail, `${JSON.stringify(letter)}\n`);
  const options = optionsOf(profile, base, fake.url, pool, send);
  if (migrate) await (await getMigrations(options)).runMigrations();
  handler = toNodeHandler(betterAuth(options));
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    fake.stop();
    await pool.end();
  };
  return { base, gitlab: fake.url, stop };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = readArguments(["profile", "database", "mail"]);
  const started = await startReference({ ...given, port: Number(given.port ?? 0), migrate: given.migrate !== "no" });
  console.log(JSON.stringify({ base: started.base, gitlab: started.gitlab }));
  process.on("SIGTERM", () => process.exit(0));
}
