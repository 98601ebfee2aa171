-- 0002_metadata, from the entity files.
-- Review it; the way back is 0002_metadata.down.sql.
-- safe: table contacts_metas is made, with its indexes, policies and rights

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
CREATE TRIGGER "update_contacts_metas_updated_at" BEFORE UPDATE ON public."contacts_metas" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
ALTER TABLE public."contacts_metas" ADD CONSTRAINT "contacts_metas_entityId_fkey" FOREIGN KEY ("userId", "entityId") REFERENCES public."contacts" ("userId", "id") ON DELETE CASCADE;
