-- 0001_init, from the entity files.
-- Review it; the way back is 0001_init.down.sql.
-- safe: function keep_contacts_metas_objects() is made
-- safe: table activities is made, with its indexes, policies and rights
-- safe: table companies is made, with its indexes, policies and rights
-- safe: table contacts is made, with its indexes, policies and rights
-- safe: table contacts_metas is made, with its indexes, policies and rights
-- safe: table contacts_metas_objects is made, with its indexes, policies and rights
-- safe: table deals is made, with its indexes, policies and rights

CREATE OR REPLACE FUNCTION public.keep_contacts_metas_objects() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
-- hedgerow objects
DECLARE
  owners text[];
  ids text[];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    -- Empty already where the rows were truncated, too.
    IF pg_relation_size('public."contacts_metas_objects"'::regclass) > 0 THEN
      TRUNCATE public."contacts_metas_objects";
    END IF;
    RETURN NULL;
  ELSIF TG_OP = 'UPDATE' THEN
    SELECT array_agg("userId"), array_agg("entityId") INTO owners, ids
      FROM (SELECT "userId", "entityId" FROM before UNION SELECT "userId", "entityId" FROM changed) r;
  ELSE
    SELECT array_agg("userId"), array_agg("entityId") INTO owners, ids
      FROM (SELECT DISTINCT "userId", "entityId" FROM changed) r;
  END IF;
  IF ids IS NULL OR TG_OP = 'DELETE' AND (NOT has_any_column_privilege('public."contacts_metas_objects"', 'UPDATE')
      OR row_security_active(TG_RELID) AND public.get_auth_user_id() IS NULL) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    PERFORM FROM public."contacts_metas_objects" o WHERE (o."userId", o."entityId") IN (SELECT * FROM unnest(owners, ids))
      ORDER BY o."userId", o."entityId", o."isPublic" FOR NO KEY UPDATE;
  ELSIF row_security_active(TG_RELID) THEN
    INSERT INTO public."contacts_metas_objects" AS o ("entityId", "isPublic", object)
      SELECT "entityId", public, '{}' FROM unnest(owners, ids) r ("userId", "entityId"), (VALUES (false)) a (public) ORDER BY "userId", "entityId", public
      ON CONFLICT ("userId", "entityId", "isPublic") DO UPDATE SET object = o.object WHERE false;
  ELSE
    INSERT INTO public."contacts_metas_objects" AS o ("userId", "entityId", "isPublic", object)
      SELECT "userId", "entityId", public, '{}' FROM unnest(owners, ids) r ("userId", "entityId"), (VALUES (false)) a (public) ORDER BY "userId", "entityId", public
      ON CONFLICT ("userId", "entityId", "isPublic") DO UPDATE SET object = o.object WHERE false;
  END IF;
  WITH made AS MATERIALIZED (
    SELECT r.*, public, CASE WHEN coalesce((SELECT sum(octet_length(m."metaValue")) FROM public."contacts_metas" m WHERE m."userId" = r."userId" AND m."entityId" = r."entityId"), 0) <= 65536
      THEN (SELECT '{' || coalesce(string_agg(to_json(m."metaKey")::text || ':' || CASE WHEN m."metaNumber" IS NOT NULL
      OR m."dataType" = 'json' OR m."dataType" = 'boolean' AND m."metaValue" IN ('true', 'false')
      THEN m."metaValue" ELSE to_json(m."metaValue")::text END, ',' ORDER BY m."metaKey")
      FILTER (WHERE m."isPublic" OR NOT public), '') || '}' FROM public."contacts_metas" m WHERE m."userId" = r."userId" AND m."entityId" = r."entityId") END AS object
    FROM unnest(owners, ids) r ("userId", "entityId"), (VALUES (false)) a (public))
  UPDATE public."contacts_metas_objects" o SET object = made.object::json FROM made
    WHERE o."userId" = made."userId" AND o."entityId" = made."entityId" AND o."isPublic" = made.public
      AND o.object::text IS DISTINCT FROM made.object;
  RETURN NULL;
END;
$$;
GRANT EXECUTE ON FUNCTION public.keep_contacts_metas_objects() TO PUBLIC;
CREATE TABLE public."activities" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "deal" text,
  "contact" text,
  "kind" text NOT NULL,
  "summary" text NOT NULL,
  "happenedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  "done" boolean DEFAULT 'true'::boolean,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "activities_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "activities_kind_options" CHECK ("kind" IN ('call', 'mail', 'meeting', 'task')),
  CONSTRAINT "activities_summary_max_length" CHECK (char_length("summary") <= 500),
  CONSTRAINT "activities_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."activities" FROM PUBLIC;
CREATE INDEX "idx_activities_userId_contact" ON public."activities" ("userId", "contact");
COMMENT ON INDEX public."idx_activities_userId_contact" IS 'hedgerow index';
CREATE INDEX "idx_activities_userId_createdAt_id" ON public."activities" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_activities_userId_createdAt_id" IS 'hedgerow index';
CREATE INDEX "idx_activities_userId_deal" ON public."activities" ("userId", "deal");
COMMENT ON INDEX public."idx_activities_userId_deal" IS 'hedgerow index';
CREATE INDEX "idx_activities_userId_happenedAt_id" ON public."activities" ("userId", "happenedAt", "id");
COMMENT ON INDEX public."idx_activities_userId_happenedAt_id" IS 'hedgerow index';
COMMENT ON TABLE public."activities" IS 'hedgerow entity';
COMMENT ON COLUMN public."activities"."deal" IS 'hedgerow relation';
COMMENT ON COLUMN public."activities"."contact" IS 'hedgerow relation';
COMMENT ON COLUMN public."activities"."kind" IS 'hedgerow select';
COMMENT ON COLUMN public."activities"."summary" IS 'hedgerow text';
COMMENT ON COLUMN public."activities"."happenedAt" IS 'hedgerow datetime';
COMMENT ON COLUMN public."activities"."done" IS 'hedgerow boolean';
ALTER TABLE public."activities" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."activities" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."activities"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."activities"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."activities"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."activities"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."activities"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."activities"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."activities"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."activities"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT DELETE, SELECT ON TABLE public."activities" TO "hedgerow_app";
GRANT INSERT ("contact", "deal", "done", "happenedAt", "id", "kind", "summary") ON TABLE public."activities" TO "hedgerow_app";
GRANT UPDATE ("contact", "deal", "done", "happenedAt", "kind", "summary") ON TABLE public."activities" TO "hedgerow_app";
CREATE TRIGGER "update_activities_updated_at" BEFORE UPDATE ON public."activities" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."companies" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "name" text NOT NULL,
  "website" text,
  "industry" text DEFAULT 'other'::text,
  "employees" bigint,
  "notes" text,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "companies_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "companies_employees_min" CHECK ("employees" >= '1'::bigint),
  CONSTRAINT "companies_industry_options" CHECK ("industry" IN ('software', 'manufacturing', 'retail', 'services', 'other')),
  CONSTRAINT "companies_name_max_length" CHECK (char_length("name") <= 200),
  CONSTRAINT "companies_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE,
  CONSTRAINT "companies_website_url" CHECK ("website" ~* '^https?://')
);
REVOKE ALL ON TABLE public."companies" FROM PUBLIC;
CREATE UNIQUE INDEX "companies_userId_id_key" ON public."companies" ("userId", "id");
COMMENT ON INDEX public."companies_userId_id_key" IS 'hedgerow index';
CREATE UNIQUE INDEX "companies_userId_name_key" ON public."companies" ("userId", "name");
COMMENT ON INDEX public."companies_userId_name_key" IS 'hedgerow index';
CREATE INDEX "idx_companies_userId_createdAt_id" ON public."companies" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_companies_userId_createdAt_id" IS 'hedgerow index';
CREATE INDEX "idx_companies_userId_industry_id" ON public."companies" ("userId", "industry", "id");
COMMENT ON INDEX public."idx_companies_userId_industry_id" IS 'hedgerow index';
COMMENT ON TABLE public."companies" IS 'hedgerow entity';
COMMENT ON COLUMN public."companies"."name" IS 'hedgerow text';
COMMENT ON COLUMN public."companies"."website" IS 'hedgerow url';
COMMENT ON COLUMN public."companies"."industry" IS 'hedgerow select';
COMMENT ON COLUMN public."companies"."employees" IS 'hedgerow integer';
COMMENT ON COLUMN public."companies"."notes" IS 'hedgerow textarea';
ALTER TABLE public."companies" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."companies" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."companies"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."companies"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."companies"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."companies"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."companies"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."companies"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."companies"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."companies"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT DELETE, SELECT ON TABLE public."companies" TO "hedgerow_app";
GRANT INSERT ("employees", "id", "industry", "name", "notes", "website") ON TABLE public."companies" TO "hedgerow_app";
GRANT UPDATE ("employees", "industry", "name", "notes", "website") ON TABLE public."companies" TO "hedgerow_app";
CREATE TRIGGER "update_companies_updated_at" BEFORE UPDATE ON public."companies" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."contacts" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "company" text NOT NULL,
  "name" text NOT NULL,
  "email" text,
  "phone" text,
  "isDecisionMaker" boolean DEFAULT 'false'::boolean,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "contacts_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "contacts_email_email" CHECK ("email" ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  CONSTRAINT "contacts_name_max_length" CHECK (char_length("name") <= 200),
  CONSTRAINT "contacts_phone_max_length" CHECK (char_length("phone") <= 40),
  CONSTRAINT "contacts_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."contacts" FROM PUBLIC;
CREATE UNIQUE INDEX "contacts_userId_email_key" ON public."contacts" ("userId", "email");
COMMENT ON INDEX public."contacts_userId_email_key" IS 'hedgerow index';
CREATE UNIQUE INDEX "contacts_userId_id_key" ON public."contacts" ("userId", "id");
COMMENT ON INDEX public."contacts_userId_id_key" IS 'hedgerow index';
CREATE INDEX "idx_contacts_userId_company" ON public."contacts" ("userId", "company");
COMMENT ON INDEX public."idx_contacts_userId_company" IS 'hedgerow index';
CREATE INDEX "idx_contacts_userId_createdAt_id" ON public."contacts" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_contacts_userId_createdAt_id" IS 'hedgerow index';
COMMENT ON TABLE public."contacts" IS 'hedgerow entity';
COMMENT ON COLUMN public."contacts"."company" IS 'hedgerow relation';
COMMENT ON COLUMN public."contacts"."name" IS 'hedgerow text';
COMMENT ON COLUMN public."contacts"."email" IS 'hedgerow email';
COMMENT ON COLUMN public."contacts"."phone" IS 'hedgerow text';
COMMENT ON COLUMN public."contacts"."isDecisionMaker" IS 'hedgerow boolean';
ALTER TABLE public."contacts" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."contacts" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."contacts"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."contacts"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."contacts"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."contacts"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."contacts"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."contacts"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."contacts"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."contacts"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT DELETE, SELECT ON TABLE public."contacts" TO "hedgerow_app";
GRANT INSERT ("company", "email", "id", "isDecisionMaker", "name", "phone") ON TABLE public."contacts" TO "hedgerow_app";
GRANT UPDATE ("company", "email", "isDecisionMaker", "name", "phone") ON TABLE public."contacts" TO "hedgerow_app";
CREATE TRIGGER "update_contacts_updated_at" BEFORE UPDATE ON public."contacts" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."contacts_metas" (
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "entityId" text NOT NULL,
  "metaKey" text NOT NULL,
  "metaValue" text NOT NULL,
  "dataType" text DEFAULT 'text'::text NOT NULL,
  "isPublic" boolean DEFAULT false NOT NULL,
  "isSearchable" boolean DEFAULT false NOT NULL,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "metaNumber" double precision GENERATED ALWAYS AS (substring("dataType" || ':' || "metaValue", '^number:(-?(?:0|[1-9][0-9]{0,199})(?:[.][0-9]{1,200})?)$')::double precision) STORED,
  CONSTRAINT "contacts_metas_pkey" PRIMARY KEY ("userId", "entityId", "metaKey"),
  CONSTRAINT "contacts_metas_isSearchable_check" CHECK (NOT "isSearchable" OR octet_length("metaKey") + octet_length("metaValue") <= 2000),
  CONSTRAINT "contacts_metas_metaKey_check" CHECK (char_length("metaKey") >= 1 AND char_length("metaKey") <= 255),
  CONSTRAINT "contacts_metas_metaValue_check" CHECK ("dataType" || ':' || "metaValue" ~ '^(?:(?:text|string|json):|number:-?(?:0|[1-9][0-9]{0,199})(?:[.][0-9]{1,200})?$|boolean:(?:true|false)$|date:[0-9]{4}-[0-9]{2}-[0-9]{2}$|datetime:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$)'),
  CONSTRAINT "contacts_metas_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."contacts_metas" FROM PUBLIC;
CREATE INDEX "idx_contacts_metas_userId_metaKey_metaNumber_entityId" ON public."contacts_metas" ("userId", "metaKey", "metaNumber", "entityId") WHERE "isSearchable" AND "dataType" <> 'json';
COMMENT ON INDEX public."idx_contacts_metas_userId_metaKey_metaNumber_entityId" IS 'hedgerow index';
CREATE INDEX "idx_contacts_metas_userId_metaKey_metaValue_entityId" ON public."contacts_metas" ("userId", "metaKey", "metaValue", "entityId") WHERE "isSearchable" AND "dataType" <> 'json';
COMMENT ON INDEX public."idx_contacts_metas_userId_metaKey_metaValue_entityId" IS 'hedgerow index';
COMMENT ON TABLE public."contacts_metas" IS 'hedgerow metas';
ALTER TABLE public."contacts_metas" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."contacts_metas" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."contacts_metas"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."contacts_metas"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."contacts_metas"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."contacts_metas"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."contacts_metas"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."contacts_metas"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."contacts_metas"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."contacts_metas"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT DELETE, SELECT ON TABLE public."contacts_metas" TO "hedgerow_app";
GRANT INSERT ("dataType", "entityId", "isPublic", "isSearchable", "metaKey", "metaValue") ON TABLE public."contacts_metas" TO "hedgerow_app";
GRANT UPDATE ("dataType", "isPublic", "isSearchable", "metaValue") ON TABLE public."contacts_metas" TO "hedgerow_app";
CREATE TRIGGER "keep_contacts_metas_objects_delete" AFTER DELETE ON public."contacts_metas" REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.keep_contacts_metas_objects('contacts_metas_objects');
CREATE TRIGGER "keep_contacts_metas_objects_insert" AFTER INSERT ON public."contacts_metas" REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.keep_contacts_metas_objects('contacts_metas_objects');
CREATE TRIGGER "keep_contacts_metas_objects_truncate" AFTER TRUNCATE ON public."contacts_metas" FOR EACH STATEMENT EXECUTE FUNCTION public.keep_contacts_metas_objects('contacts_metas_objects');
CREATE TRIGGER "keep_contacts_metas_objects_update" AFTER UPDATE ON public."contacts_metas" REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.keep_contacts_metas_objects('contacts_metas_objects');
CREATE TRIGGER "update_contacts_metas_updated_at" BEFORE UPDATE ON public."contacts_metas" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."contacts_metas_objects" (
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "entityId" text NOT NULL,
  "isPublic" boolean NOT NULL,
  "object" json,
  CONSTRAINT "contacts_metas_objects_pkey" PRIMARY KEY ("userId", "entityId", "isPublic")
);
REVOKE ALL ON TABLE public."contacts_metas_objects" FROM PUBLIC;
CREATE INDEX "idx_contacts_metas_objects_entityId" ON public."contacts_metas_objects" USING hash ("entityId");
COMMENT ON INDEX public."idx_contacts_metas_objects_entityId" IS 'hedgerow index';
COMMENT ON TABLE public."contacts_metas_objects" IS 'hedgerow objects';
ALTER TABLE public."contacts_metas_objects" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."contacts_metas_objects" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."contacts_metas_objects"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."contacts_metas_objects"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."contacts_metas_objects"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."contacts_metas_objects"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."contacts_metas_objects"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."contacts_metas_objects"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."contacts_metas_objects"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."contacts_metas_objects"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT SELECT ON TABLE public."contacts_metas_objects" TO "hedgerow_app";
GRANT INSERT ("entityId", "isPublic", "object") ON TABLE public."contacts_metas_objects" TO "hedgerow_app";
GRANT UPDATE ("object") ON TABLE public."contacts_metas_objects" TO "hedgerow_app";
CREATE TABLE public."deals" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "company" text NOT NULL,
  "contact" text,
  "title" text NOT NULL,
  "stage" text DEFAULT 'lead'::text,
  "amount" numeric(14,2),
  "expectedOn" date,
  "custom" jsonb,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "deals_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "deals_amount_min" CHECK ("amount" >= '0'::numeric),
  CONSTRAINT "deals_stage_options" CHECK ("stage" IN ('lead', 'qualified', 'proposal', 'won', 'lost')),
  CONSTRAINT "deals_title_max_length" CHECK (char_length("title") <= 200),
  CONSTRAINT "deals_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."deals" FROM PUBLIC;
CREATE UNIQUE INDEX "deals_userId_id_key" ON public."deals" ("userId", "id");
COMMENT ON INDEX public."deals_userId_id_key" IS 'hedgerow index';
CREATE INDEX "idx_deals_userId_company" ON public."deals" ("userId", "company");
COMMENT ON INDEX public."idx_deals_userId_company" IS 'hedgerow index';
CREATE INDEX "idx_deals_userId_contact" ON public."deals" ("userId", "contact");
COMMENT ON INDEX public."idx_deals_userId_contact" IS 'hedgerow index';
CREATE INDEX "idx_deals_userId_createdAt_id" ON public."deals" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_deals_userId_createdAt_id" IS 'hedgerow index';
CREATE INDEX "idx_deals_userId_expectedOn_id" ON public."deals" ("userId", "expectedOn", "id");
COMMENT ON INDEX public."idx_deals_userId_expectedOn_id" IS 'hedgerow index';
CREATE INDEX "idx_deals_userId_stage_id" ON public."deals" ("userId", "stage", "id");
COMMENT ON INDEX public."idx_deals_userId_stage_id" IS 'hedgerow index';
COMMENT ON TABLE public."deals" IS 'hedgerow entity';
COMMENT ON COLUMN public."deals"."company" IS 'hedgerow relation';
COMMENT ON COLUMN public."deals"."contact" IS 'hedgerow relation';
COMMENT ON COLUMN public."deals"."title" IS 'hedgerow text';
COMMENT ON COLUMN public."deals"."stage" IS 'hedgerow select';
COMMENT ON COLUMN public."deals"."amount" IS 'hedgerow number';
COMMENT ON COLUMN public."deals"."expectedOn" IS 'hedgerow date';
COMMENT ON COLUMN public."deals"."custom" IS 'hedgerow json';
ALTER TABLE public."deals" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."deals" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."deals"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."deals"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."deals"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."deals"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."deals"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."deals"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."deals"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."deals"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT DELETE, SELECT ON TABLE public."deals" TO "hedgerow_app";
GRANT INSERT ("amount", "company", "contact", "custom", "expectedOn", "id", "stage", "title") ON TABLE public."deals" TO "hedgerow_app";
GRANT UPDATE ("amount", "company", "contact", "custom", "expectedOn", "stage", "title") ON TABLE public."deals" TO "hedgerow_app";
CREATE TRIGGER "update_deals_updated_at" BEFORE UPDATE ON public."deals" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
ALTER TABLE public."activities" ADD CONSTRAINT "activities_contact_fkey" FOREIGN KEY ("userId", "contact") REFERENCES public."contacts" ("userId", "id") ON DELETE CASCADE;
ALTER TABLE public."activities" ADD CONSTRAINT "activities_deal_fkey" FOREIGN KEY ("userId", "deal") REFERENCES public."deals" ("userId", "id") ON DELETE CASCADE;
ALTER TABLE public."contacts" ADD CONSTRAINT "contacts_company_fkey" FOREIGN KEY ("userId", "company") REFERENCES public."companies" ("userId", "id") ON DELETE CASCADE;
ALTER TABLE public."contacts_metas" ADD CONSTRAINT "contacts_metas_entityId_fkey" FOREIGN KEY ("userId", "entityId") REFERENCES public."contacts" ("userId", "id") ON DELETE CASCADE;
ALTER TABLE public."contacts_metas_objects" ADD CONSTRAINT "contacts_metas_objects_entityId_fkey" FOREIGN KEY ("userId", "entityId") REFERENCES public."contacts" ("userId", "id") ON DELETE CASCADE;
ALTER TABLE public."deals" ADD CONSTRAINT "deals_company_fkey" FOREIGN KEY ("userId", "company") REFERENCES public."companies" ("userId", "id");
ALTER TABLE public."deals" ADD CONSTRAINT "deals_contact_fkey" FOREIGN KEY ("userId", "contact") REFERENCES public."contacts" ("userId", "id") ON DELETE SET NULL ("contact");
