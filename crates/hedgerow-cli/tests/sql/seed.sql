-- The tables beside Better Auth's, as the schema that this product implements writes them.
CREATE OR REPLACE FUNCTION public.get_auth_user_id()
RETURNS TEXT AS $$
BEGIN
  RETURN current_setting('app.user_id', true);
END;
$$ LANGUAGE plpgsql SECURITY DEFINER;

CREATE OR REPLACE FUNCTION update_updated_at_column()
RETURNS TRIGGER AS $$
BEGIN
  NEW."updatedAt" = CURRENT_TIMESTAMP;
  RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TABLE "user_metas" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "userId" TEXT NOT NULL REFERENCES "user"(id) ON DELETE CASCADE,
  "metaKey" TEXT NOT NULL,
  "metaValue" TEXT NOT NULL,
  "dataType" TEXT NOT NULL DEFAULT 'text',
  "isPublic" BOOLEAN DEFAULT false,
  "isSearchable" BOOLEAN DEFAULT false,
  "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  UNIQUE("userId", "metaKey")
);
CREATE TRIGGER update_user_metas_updated_at
  BEFORE UPDATE ON "user_metas"
  FOR EACH ROW
  EXECUTE FUNCTION update_updated_at_column();
ALTER TABLE "user_metas" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view own metas" ON "user_metas"
  FOR SELECT USING ("userId" = public.get_auth_user_id());

CREATE TABLE "global_metas" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "metaKey" TEXT NOT NULL,
  "metaValue" TEXT NOT NULL,
  "dataType" TEXT NOT NULL DEFAULT 'text',
  "isPublic" BOOLEAN DEFAULT false,
  "isSearchable" BOOLEAN DEFAULT false,
  "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE "api_keys" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "userId" TEXT NOT NULL REFERENCES "user"(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  key TEXT UNIQUE NOT NULL,
  prefix TEXT NOT NULL,
  scopes TEXT[] NOT NULL DEFAULT '{}',
  "lastUsed" TIMESTAMP,
  "expiresAt" TIMESTAMP,
  "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  revoked BOOLEAN DEFAULT false
);
CREATE INDEX idx_api_keys_user_id ON "api_keys"("userId");
CREATE INDEX idx_api_keys_key ON "api_keys"(key);
CREATE INDEX idx_api_keys_prefix ON "api_keys"(prefix);

CREATE TABLE "api_audit_logs" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "apiKeyId" TEXT REFERENCES "api_keys"(id) ON DELETE SET NULL,
  "userId" TEXT REFERENCES "user"(id) ON DELETE SET NULL,
  endpoint TEXT NOT NULL,
  method TEXT NOT NULL,
  "statusCode" INTEGER NOT NULL,
  "responseTime" INTEGER,
  "ipAddress" TEXT,
  "userAgent" TEXT,
  "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_api_audit_logs_api_key_id ON "api_audit_logs"("apiKeyId");

CREATE TABLE "projects" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "userId" TEXT NOT NULL REFERENCES "user"(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  budget NUMERIC(12,2),
  settings JSONB DEFAULT '{}',
  "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "tasks" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "userId" TEXT NOT NULL REFERENCES "user"(id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  status TEXT DEFAULT 'todo' CHECK (status IN ('todo', 'doing', 'done')),
  "dueDate" DATE,
  "remindAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  estimate INTEGER DEFAULT 1,
  labels TEXT[] DEFAULT '{}',
  "projectId" TEXT REFERENCES "projects"(id) ON DELETE SET NULL,
  "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "tasks_metas" (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  "entityId" TEXT NOT NULL REFERENCES "tasks"(id) ON DELETE CASCADE,
  "metaKey" TEXT NOT NULL,
  "metaValue" JSONB NOT NULL DEFAULT '{}',
  "dataType" TEXT DEFAULT 'json',
  "isPublic" BOOLEAN NOT NULL DEFAULT false,
  "isSearchable" BOOLEAN NOT NULL DEFAULT false,
  "createdAt" TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
  UNIQUE("entityId", "metaKey")
);
CREATE INDEX idx_projects_user_id ON "projects"("userId");
CREATE INDEX idx_projects_created_at ON "projects"("createdAt");
CREATE INDEX idx_tasks_user_id ON "tasks"("userId");
CREATE INDEX idx_tasks_created_at ON "tasks"("createdAt");
CREATE TRIGGER update_projects_updated_at BEFORE UPDATE ON "projects" FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_tasks_updated_at BEFORE UPDATE ON "tasks" FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
ALTER TABLE "projects" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view own records" ON "projects" FOR SELECT USING ("userId" = public.get_auth_user_id());
CREATE POLICY "Users can create own records" ON "projects" FOR INSERT WITH CHECK ("userId" = public.get_auth_user_id());
CREATE POLICY "Users can update own records" ON "projects" FOR UPDATE USING ("userId" = public.get_auth_user_id());
CREATE POLICY "Users can delete own records" ON "projects" FOR DELETE USING ("userId" = public.get_auth_user_id());
ALTER TABLE "tasks" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view own records" ON "tasks" FOR SELECT USING ("userId" = public.get_auth_user_id());
CREATE POLICY "Users can create own records" ON "tasks" FOR INSERT WITH CHECK ("userId" = public.get_auth_user_id());
CREATE POLICY "Users can update own records" ON "tasks" FOR UPDATE USING ("userId" = public.get_auth_user_id());
CREATE POLICY "Users can delete own records" ON "tasks" FOR DELETE USING ("userId" = public.get_auth_user_id());

INSERT INTO "user_metas" ("userId", "metaKey", "metaValue")
  SELECT id, 'theme', '{"dark": true}' FROM "user";
INSERT INTO "user_metas" ("userId", "metaKey", "metaValue", "dataType", "isPublic", "isSearchable")
  SELECT id, 'list', '[1, 2]', 'array', NULL, NULL FROM "user";
INSERT INTO "user_metas" ("userId", "metaKey", "metaValue", "dataType")
  SELECT id, 'size', 'XL', 'number' FROM "user";
INSERT INTO "global_metas" ("metaKey", "metaValue", "dataType") VALUES ('limit', '10', 'number'), ('motto', '{"a": 1}', 'object');
INSERT INTO "api_keys" ("userId", name, key, prefix, scopes)
  SELECT id, 'old', 'plain key of ' || id, 'plain', '{tasks:read}' FROM "user";
INSERT INTO "api_audit_logs" ("apiKeyId", "userId", endpoint, method, "statusCode")
  SELECT id, "userId", '/api/v1/tasks', 'GET', 200 FROM "api_keys";
INSERT INTO "projects" ("userId", name, budget)
  SELECT id, 'Project of ' || name, 1200.50 FROM "user";
INSERT INTO "tasks" ("userId", title, labels, "projectId", "createdAt")
  SELECT p."userId", p.name || ' ' || n, ARRAY['a', 'b'], p.id, TIMESTAMP '2026-01-02 03:04:05.678' + n * INTERVAL '1 minute'
  FROM "projects" p, generate_series(1, 3) n;
INSERT INTO "tasks_metas" ("entityId", "metaKey", "metaValue", "isPublic")
  SELECT id, key, value, key = 'colour' FROM "tasks",
    (VALUES ('colour', '"dark"'::jsonb), ('size', '7.50'), ('more', '{"a": null}')) metas (key, value);
