-- 0001_init, from the entity files.
-- Review it; the way back is 0001_init.down.sql.
-- safe: table airports is made, with its indexes, policies and rights
-- safe: table flights is made, with its indexes, policies and rights
-- safe: table planes is made, with its indexes, policies and rights
-- safe: table weather is made, with its indexes, policies and rights

CREATE TABLE public."airports" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "faa" text NOT NULL,
  "name" text NOT NULL,
  "lat" numeric NOT NULL,
  "lon" numeric NOT NULL,
  "alt" bigint,
  "tz" bigint,
  "dst" text,
  "tzone" text,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "airports_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "airports_faa_max_length" CHECK (char_length("faa") <= 10),
  CONSTRAINT "airports_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."airports" FROM PUBLIC;
CREATE UNIQUE INDEX "airports_userId_faa_key" ON public."airports" ("userId", "faa");
COMMENT ON INDEX public."airports_userId_faa_key" IS 'hedgerow index';
CREATE INDEX "idx_airports_createdAt_id" ON public."airports" ("createdAt", "id");
COMMENT ON INDEX public."idx_airports_createdAt_id" IS 'hedgerow index';
CREATE INDEX "idx_airports_userId_createdAt_id" ON public."airports" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_airports_userId_createdAt_id" IS 'hedgerow index';
COMMENT ON TABLE public."airports" IS 'hedgerow entity';
COMMENT ON COLUMN public."airports"."faa" IS 'hedgerow text';
COMMENT ON COLUMN public."airports"."name" IS 'hedgerow text';
COMMENT ON COLUMN public."airports"."lat" IS 'hedgerow number';
COMMENT ON COLUMN public."airports"."lon" IS 'hedgerow number';
COMMENT ON COLUMN public."airports"."alt" IS 'hedgerow integer';
COMMENT ON COLUMN public."airports"."tz" IS 'hedgerow integer';
COMMENT ON COLUMN public."airports"."dst" IS 'hedgerow text';
COMMENT ON COLUMN public."airports"."tzone" IS 'hedgerow text';
ALTER TABLE public."airports" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."airports" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."airports"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()) AND (SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can delete own records" ON public."airports"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can update own records" ON public."airports"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin')
  WITH CHECK ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can view own records" ON public."airports"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ((SELECT public.get_auth_user_id()) IS NOT NULL);
CREATE POLICY "hedgerow_floor_delete" ON public."airports"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "hedgerow_floor_insert" ON public."airports"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()) AND (SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "hedgerow_floor_select" ON public."airports"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ((SELECT public.get_auth_user_id()) IS NOT NULL);
CREATE POLICY "hedgerow_floor_update" ON public."airports"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin')
  WITH CHECK ((SELECT current_user) = 'hedgerow_admin');
GRANT DELETE, SELECT ON TABLE public."airports" TO "hedgerow_admin";
GRANT SELECT ON TABLE public."airports" TO "hedgerow_app";
GRANT INSERT ("alt", "dst", "faa", "id", "lat", "lon", "name", "tz", "tzone") ON TABLE public."airports" TO "hedgerow_admin";
GRANT UPDATE ("alt", "dst", "faa", "lat", "lon", "name", "tz", "tzone") ON TABLE public."airports" TO "hedgerow_admin";
CREATE TRIGGER "update_airports_updated_at" BEFORE UPDATE ON public."airports" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."flights" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "year" bigint NOT NULL,
  "month" bigint NOT NULL,
  "day" bigint NOT NULL,
  "dep_time" bigint,
  "sched_dep_time" bigint,
  "dep_delay" bigint,
  "arr_time" bigint,
  "sched_arr_time" bigint,
  "arr_delay" bigint,
  "carrier" text NOT NULL,
  "flight" bigint NOT NULL,
  "planeId" text,
  "origin" text,
  "dest" text,
  "air_time" bigint,
  "distance" bigint NOT NULL,
  "hour" bigint,
  "minute" bigint,
  "time_hour" timestamp with time zone NOT NULL,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "flights_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "flights_carrier_max_length" CHECK (char_length("carrier") <= 2),
  CONSTRAINT "flights_day_max" CHECK ("day" <= '31'::bigint),
  CONSTRAINT "flights_day_min" CHECK ("day" >= '1'::bigint),
  CONSTRAINT "flights_distance_min" CHECK ("distance" >= '0'::bigint),
  CONSTRAINT "flights_month_max" CHECK ("month" <= '12'::bigint),
  CONSTRAINT "flights_month_min" CHECK ("month" >= '1'::bigint),
  CONSTRAINT "flights_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."flights" FROM PUBLIC;
CREATE INDEX "idx_flights_dest_userId" ON public."flights" ("dest", "userId");
COMMENT ON INDEX public."idx_flights_dest_userId" IS 'hedgerow index';
CREATE INDEX "idx_flights_origin_userId" ON public."flights" ("origin", "userId");
COMMENT ON INDEX public."idx_flights_origin_userId" IS 'hedgerow index';
CREATE INDEX "idx_flights_planeId_userId" ON public."flights" ("planeId", "userId");
COMMENT ON INDEX public."idx_flights_planeId_userId" IS 'hedgerow index';
CREATE INDEX "idx_flights_userId_carrier_id" ON public."flights" ("userId", "carrier", "id");
COMMENT ON INDEX public."idx_flights_userId_carrier_id" IS 'hedgerow index';
CREATE INDEX "idx_flights_userId_createdAt_id" ON public."flights" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_flights_userId_createdAt_id" IS 'hedgerow index';
COMMENT ON TABLE public."flights" IS 'hedgerow entity';
COMMENT ON COLUMN public."flights"."year" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."month" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."day" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."dep_time" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."sched_dep_time" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."dep_delay" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."arr_time" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."sched_arr_time" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."arr_delay" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."carrier" IS 'hedgerow text';
COMMENT ON COLUMN public."flights"."flight" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."planeId" IS 'hedgerow relation';
COMMENT ON COLUMN public."flights"."origin" IS 'hedgerow relation';
COMMENT ON COLUMN public."flights"."dest" IS 'hedgerow relation';
COMMENT ON COLUMN public."flights"."air_time" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."distance" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."hour" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."minute" IS 'hedgerow integer';
COMMENT ON COLUMN public."flights"."time_hour" IS 'hedgerow datetime';
ALTER TABLE public."flights" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."flights" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."flights"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can delete own records" ON public."flights"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can update own records" ON public."flights"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "Users can view own records" ON public."flights"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_delete" ON public."flights"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_insert" ON public."flights"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_select" ON public."flights"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()));
CREATE POLICY "hedgerow_floor_update" ON public."flights"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ("userId" = (SELECT public.get_auth_user_id()))
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()));
GRANT DELETE, SELECT ON TABLE public."flights" TO "hedgerow_app";
GRANT INSERT ("air_time", "arr_delay", "arr_time", "carrier", "day", "dep_delay", "dep_time", "dest", "distance", "flight", "hour", "id", "minute", "month", "origin", "planeId", "sched_arr_time", "sched_dep_time", "time_hour", "year") ON TABLE public."flights" TO "hedgerow_app";
GRANT UPDATE ("air_time", "arr_delay", "arr_time", "carrier", "day", "dep_delay", "dep_time", "dest", "distance", "flight", "hour", "minute", "month", "origin", "planeId", "sched_arr_time", "sched_dep_time", "time_hour", "year") ON TABLE public."flights" TO "hedgerow_app";
CREATE TRIGGER "update_flights_updated_at" BEFORE UPDATE ON public."flights" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."planes" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "tailnum" text NOT NULL,
  "year" bigint,
  "type" text,
  "manufacturer" text,
  "model" text,
  "engines" bigint,
  "seats" bigint,
  "speed" bigint,
  "engine" text,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "planes_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "planes_engines_min" CHECK ("engines" >= '1'::bigint),
  CONSTRAINT "planes_manufacturer_max_length" CHECK (char_length("manufacturer") <= 100),
  CONSTRAINT "planes_tailnum_max_length" CHECK (char_length("tailnum") <= 10),
  CONSTRAINT "planes_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."planes" FROM PUBLIC;
CREATE INDEX "idx_planes_createdAt_id" ON public."planes" ("createdAt", "id");
COMMENT ON INDEX public."idx_planes_createdAt_id" IS 'hedgerow index';
CREATE INDEX "idx_planes_manufacturer_id" ON public."planes" ("manufacturer", "id");
COMMENT ON INDEX public."idx_planes_manufacturer_id" IS 'hedgerow index';
CREATE INDEX "idx_planes_userId_createdAt_id" ON public."planes" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_planes_userId_createdAt_id" IS 'hedgerow index';
CREATE UNIQUE INDEX "planes_userId_tailnum_key" ON public."planes" ("userId", "tailnum");
COMMENT ON INDEX public."planes_userId_tailnum_key" IS 'hedgerow index';
COMMENT ON TABLE public."planes" IS 'hedgerow entity';
COMMENT ON COLUMN public."planes"."tailnum" IS 'hedgerow text';
COMMENT ON COLUMN public."planes"."year" IS 'hedgerow integer';
COMMENT ON COLUMN public."planes"."type" IS 'hedgerow text';
COMMENT ON COLUMN public."planes"."manufacturer" IS 'hedgerow text';
COMMENT ON COLUMN public."planes"."model" IS 'hedgerow text';
COMMENT ON COLUMN public."planes"."engines" IS 'hedgerow integer';
COMMENT ON COLUMN public."planes"."seats" IS 'hedgerow integer';
COMMENT ON COLUMN public."planes"."speed" IS 'hedgerow integer';
COMMENT ON COLUMN public."planes"."engine" IS 'hedgerow text';
ALTER TABLE public."planes" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."planes" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."planes"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()) AND (SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can delete own records" ON public."planes"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can update own records" ON public."planes"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin')
  WITH CHECK ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can view own records" ON public."planes"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ((SELECT public.get_auth_user_id()) IS NOT NULL);
CREATE POLICY "hedgerow_floor_delete" ON public."planes"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "hedgerow_floor_insert" ON public."planes"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()) AND (SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "hedgerow_floor_select" ON public."planes"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ((SELECT public.get_auth_user_id()) IS NOT NULL);
CREATE POLICY "hedgerow_floor_update" ON public."planes"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin')
  WITH CHECK ((SELECT current_user) = 'hedgerow_admin');
GRANT DELETE, SELECT ON TABLE public."planes" TO "hedgerow_admin";
GRANT SELECT ON TABLE public."planes" TO "hedgerow_app";
GRANT INSERT ("engine", "engines", "id", "manufacturer", "model", "seats", "speed", "tailnum", "type", "year") ON TABLE public."planes" TO "hedgerow_admin";
GRANT UPDATE ("engine", "engines", "manufacturer", "model", "seats", "speed", "tailnum", "type", "year") ON TABLE public."planes" TO "hedgerow_admin";
CREATE TRIGGER "update_planes_updated_at" BEFORE UPDATE ON public."planes" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
CREATE TABLE public."weather" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL,
  "userId" text DEFAULT public.get_auth_user_id() NOT NULL,
  "origin" text NOT NULL,
  "year" bigint,
  "month" bigint,
  "day" bigint,
  "hour" bigint,
  "temp" numeric,
  "dewp" numeric,
  "humid" numeric,
  "wind_dir" numeric,
  "wind_speed" numeric,
  "wind_gust" numeric,
  "precip" numeric,
  "pressure" numeric,
  "visib" numeric,
  "time_hour" timestamp with time zone,
  "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT "weather_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "weather_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user" ("id") ON DELETE CASCADE
);
REVOKE ALL ON TABLE public."weather" FROM PUBLIC;
CREATE INDEX "idx_weather_createdAt_id" ON public."weather" ("createdAt", "id");
COMMENT ON INDEX public."idx_weather_createdAt_id" IS 'hedgerow index';
CREATE INDEX "idx_weather_origin_userId" ON public."weather" ("origin", "userId");
COMMENT ON INDEX public."idx_weather_origin_userId" IS 'hedgerow index';
CREATE INDEX "idx_weather_time_hour_id" ON public."weather" ("time_hour", "id");
COMMENT ON INDEX public."idx_weather_time_hour_id" IS 'hedgerow index';
CREATE INDEX "idx_weather_userId_createdAt_id" ON public."weather" ("userId", "createdAt", "id");
COMMENT ON INDEX public."idx_weather_userId_createdAt_id" IS 'hedgerow index';
COMMENT ON TABLE public."weather" IS 'hedgerow entity';
COMMENT ON COLUMN public."weather"."origin" IS 'hedgerow relation';
COMMENT ON COLUMN public."weather"."year" IS 'hedgerow integer';
COMMENT ON COLUMN public."weather"."month" IS 'hedgerow integer';
COMMENT ON COLUMN public."weather"."day" IS 'hedgerow integer';
COMMENT ON COLUMN public."weather"."hour" IS 'hedgerow integer';
COMMENT ON COLUMN public."weather"."temp" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."dewp" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."humid" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."wind_dir" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."wind_speed" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."wind_gust" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."precip" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."pressure" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."visib" IS 'hedgerow number';
COMMENT ON COLUMN public."weather"."time_hour" IS 'hedgerow datetime';
ALTER TABLE public."weather" ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."weather" FORCE ROW LEVEL SECURITY;
CREATE POLICY "Users can create own records" ON public."weather"
  AS PERMISSIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()) AND (SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can delete own records" ON public."weather"
  AS PERMISSIVE FOR DELETE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can update own records" ON public."weather"
  AS PERMISSIVE FOR UPDATE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin')
  WITH CHECK ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "Users can view own records" ON public."weather"
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING ((SELECT public.get_auth_user_id()) IS NOT NULL);
CREATE POLICY "hedgerow_floor_delete" ON public."weather"
  AS RESTRICTIVE FOR DELETE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "hedgerow_floor_insert" ON public."weather"
  AS RESTRICTIVE FOR INSERT TO PUBLIC
  WITH CHECK ("userId" = (SELECT public.get_auth_user_id()) AND (SELECT current_user) = 'hedgerow_admin');
CREATE POLICY "hedgerow_floor_select" ON public."weather"
  AS RESTRICTIVE FOR SELECT TO PUBLIC
  USING ((SELECT public.get_auth_user_id()) IS NOT NULL);
CREATE POLICY "hedgerow_floor_update" ON public."weather"
  AS RESTRICTIVE FOR UPDATE TO PUBLIC
  USING ((SELECT current_user) = 'hedgerow_admin')
  WITH CHECK ((SELECT current_user) = 'hedgerow_admin');
GRANT DELETE, SELECT ON TABLE public."weather" TO "hedgerow_admin";
GRANT SELECT ON TABLE public."weather" TO "hedgerow_app";
GRANT INSERT ("day", "dewp", "hour", "humid", "id", "month", "origin", "precip", "pressure", "temp", "time_hour", "visib", "wind_dir", "wind_gust", "wind_speed", "year") ON TABLE public."weather" TO "hedgerow_admin";
GRANT UPDATE ("day", "dewp", "hour", "humid", "month", "origin", "precip", "pressure", "temp", "time_hour", "visib", "wind_dir", "wind_gust", "wind_speed", "year") ON TABLE public."weather" TO "hedgerow_admin";
CREATE TRIGGER "update_weather_updated_at" BEFORE UPDATE ON public."weather" FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
ALTER TABLE public."flights" ADD CONSTRAINT "flights_dest_fkey" FOREIGN KEY ("dest") REFERENCES public."airports" ("id");
ALTER TABLE public."flights" ADD CONSTRAINT "flights_origin_fkey" FOREIGN KEY ("origin") REFERENCES public."airports" ("id");
ALTER TABLE public."flights" ADD CONSTRAINT "flights_planeId_fkey" FOREIGN KEY ("planeId") REFERENCES public."planes" ("id") ON DELETE SET NULL ("planeId");
ALTER TABLE public."weather" ADD CONSTRAINT "weather_origin_fkey" FOREIGN KEY ("origin") REFERENCES public."airports" ("id") ON DELETE CASCADE;
