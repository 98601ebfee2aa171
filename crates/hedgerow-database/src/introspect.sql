SELECT pg_catalog.json_build_object(
  'tables', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', c.relname,
      'owner', pg_catalog.pg_get_userbyid(c.relowner),
      'unlogged', c.relpersistence = 'u',
      'row_security', c.relrowsecurity,
      'forced', c.relforcerowsecurity,
      'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
      'rows', CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint
                   ELSE pg_catalog.pg_relation_size(c.oid) / 100 END,
      'bytes', pg_catalog.pg_total_relation_size(c.oid),
      'columns', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', a.attname,
          'ty', pg_catalog.concat_ws(' COLLATE ', pg_catalog.format_type(a.atttypid, a.atttypmod),
             (SELECT pg_catalog.quote_ident(o.collname) FROM pg_catalog.pg_collation o
              JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
              WHERE o.oid = a.attcollation AND a.attcollation <> t.typcollation)),
          'not_null', a.attnotnull,
          'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
          'generated', a.attgenerated <> '',
          'identity', a.attidentity,
          'comment', pg_catalog.col_description(c.oid, a.attnum),
          'position', a.attnum,
          'grants', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
              'role', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(g.grantee) END,
              'right', g.privilege_type, 'passes_on', g.is_grantable)), '[]')
            FROM pg_catalog.aclexplode(a.attacl) g WHERE g.grantee <> c.relowner))), '[]')
        FROM pg_catalog.pg_attribute a
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
      'constraints', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', k.conname,
          'kind', k.contype,
          'validated', k.convalidated,
          'asleep', EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O'),
          'definition', pg_catalog.pg_get_constraintdef(k.oid),
          'condition', pg_catalog.pg_get_expr(k.conbin, k.conrelid),
          'columns', (SELECT coalesce(pg_catalog.json_agg(a.attname ORDER BY u.n), '[]')
                      FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u (attnum, n)
                      JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
          'target', (SELECT CASE f.relnamespace WHEN 'public'::regnamespace THEN f.relname
                       ELSE f.relnamespace::regnamespace || '.' || f.relname END
                     FROM pg_catalog.pg_class f WHERE f.oid = k.confrelid),
          'targets', (SELECT coalesce(pg_catalog.json_agg(a.attname ORDER BY u.n), '[]')
                      FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u (attnum, n)
                      JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum),
          'on_delete', k.confdeltype,
          'on_update', k.confupdtype,
          'sets', (SELECT coalesce(pg_catalog.json_agg(a.attname ORDER BY u.n), '[]')
                   FROM pg_catalog.unnest(k.confdelsetcols) WITH ORDINALITY u (attnum, n)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum))), '[]')
        FROM pg_catalog.pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'x')),
      'indexes', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', ic.relname,
          'keys', (SELECT pg_catalog.json_agg(
                     CASE WHEN i.indkey[n - 1] = 0 THEN '(' || pg_catalog.pg_get_indexdef(i.indexrelid, n, true) || ')'
                       ELSE (SELECT a.attname::text FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1]) END
                     || CASE WHEN n > i.indnkeyatts THEN ' INCLUDED' ELSE
                          CASE WHEN oc.opcdefault THEN '' ELSE ' ' || oc.opcname END
                          || CASE WHEN i.indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE '' END
                          || CASE i.indoption[n - 1] & 3 WHEN 1 THEN ' NULLS LAST' WHEN 2 THEN ' NULLS FIRST' ELSE '' END
                        END ORDER BY n)
                   FROM pg_catalog.generate_series(1, i.indnatts::int) n
                   LEFT JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[n - 1]),
          'unique', i.indisunique,
          'primary', i.indisprimary,
          'method', am.amname || CASE WHEN i.indnullsnotdistinct THEN ' nulls not distinct' ELSE '' END,
          'condition', pg_catalog.pg_get_expr(i.indpred, i.indrelid),
          'valid', i.indisvalid AND i.indisready,
          'comment', pg_catalog.obj_description(i.indexrelid, 'pg_class'),
          'constraint', EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u')))), '[]')
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
        JOIN pg_catalog.pg_am am ON am.oid = ic.relam
        -- An EXCLUDE constraint says all of its index.
        WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                                 WHERE k.conindid = i.indexrelid AND k.contype = 'x')),
      'triggers', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', t.tgname, 'definition', pg_catalog.pg_get_triggerdef(t.oid), 'enabled', t.tgenabled)), '[]')
        FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
      'policies', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', p.polname,
          'permissive', p.polpermissive,
          'command', p.polcmd,
          'roles', (SELECT pg_catalog.json_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(r) END)
                    FROM pg_catalog.unnest(p.polroles) r),
          'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
          'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))), '[]')
        FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid),
      'grants', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'role', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(g.grantee) END,
          'right', g.privilege_type, 'passes_on', g.is_grantable)), '[]')
        FROM pg_catalog.aclexplode(c.relacl) g WHERE g.grantee <> c.relowner))), '[]')
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
  'functions', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
      'owner', pg_catalog.pg_get_userbyid(p.proowner),
      'attributes', pg_catalog.concat_ws(' ',
        pg_catalog.pg_get_function_result(p.oid), l.lanname,
        CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
        CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END,
        'parallel=' || CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
        CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.proleakproof THEN 'leakproof' END,
        pg_catalog.array_to_string(p.proconfig, ' ')),
      'body', coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc),
      'is_sql_body', p.prosqlbody IS NOT NULL,
      'callers', (SELECT coalesce(pg_catalog.json_agg(
                    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(g.grantee) END), '[]')
                  FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) g
                  WHERE g.grantee <> p.proowner))), '[]')
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),
  'others', (SELECT coalesce(pg_catalog.json_object_agg(o.name, o.definition), '{}') FROM (
      SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence '
               WHEN 'c' THEN 'type ' ELSE 'foreign table ' END || c.relname AS name,
             pg_catalog.concat_ws(' ', 'owner ' || pg_catalog.pg_get_userbyid(c.relowner),
               pg_catalog.array_to_string(c.reloptions, ' '),
               'rights ' || (SELECT pg_catalog.string_agg(CASE g.grantee WHEN 0 THEN 'PUBLIC'
                   ELSE pg_catalog.pg_get_userbyid(g.grantee) END || '=' || g.privilege_type, ' ' ORDER BY g.grantee, g.privilege_type)
                 FROM (SELECT DISTINCT grantee, privilege_type FROM pg_catalog.aclexplode(c.relacl)) g
                 WHERE g.grantee <> c.relowner),
               (SELECT pg_catalog.string_agg('rights on ' || a.attname || ' ' || a.attacl::text, ' ' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
               CASE WHEN c.relkind IN ('c', 'f') THEN
                 (SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', '
                    ORDER BY a.attnum)
                  FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) END,
               (SELECT 'from ' || s.seqstart || ' by ' || s.seqincrement || ' between ' || s.seqmin || ' and ' || s.seqmax
                  || CASE WHEN s.seqcycle THEN ' in a cycle' ELSE '' END
                FROM pg_catalog.pg_sequence s WHERE s.seqrelid = c.oid),
               CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END) AS definition
      FROM pg_catalog.pg_class c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm', 'S', 'f', 'c')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'a')
                          OR d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'
                          AND c.relkind <> 'c')
      UNION ALL
      SELECT 'type ' || t.typname,
             pg_catalog.concat_ws(' ',
               (SELECT pg_catalog.string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
                FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
               CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
               CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
               (SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
                FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
      FROM pg_catalog.pg_type t
      WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'r')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
      UNION ALL
      SELECT 'rule ' || r.rulename || ' on ' || c.relname, pg_catalog.pg_get_ruledef(r.oid)
      FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
      WHERE c.relnamespace = 'public'::regnamespace AND r.rulename <> '_RETURN'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      UNION ALL
      SELECT 'parents of ' || c.relname,
             pg_catalog.string_agg(i.inhparent::regclass || coalesce(' ' || pg_catalog.pg_get_expr(c.relpartbound, c.oid), ''),
               ', ' ORDER BY i.inhseqno)
      FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      GROUP BY c.oid, c.relname
      UNION ALL
      SELECT 'default rights on ' || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
               WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END
               || ' of ' || pg_catalog.pg_get_userbyid(d.defaclrole)
               || CASE d.defaclnamespace WHEN 0 THEN '' ELSE ' in public' END, d.defaclacl::text
      FROM pg_catalog.pg_default_acl d WHERE d.defaclnamespace IN (0, 'public'::regnamespace)
      UNION ALL
      SELECT 'rights on schema public', coalesce(n.nspacl::text, 'default')
      FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public') o)
)::text
