//! What a database is made of beside rows, each thing with the statement that makes it: the one list of them.
//!
//! - `kind` and `name` say what it is, for people, and tell it from all others; `parent` is the name of what it goes with.
//! - `of_table` is what `ignore_tables` is asked about: schema and name, then those of the table that it belongs to.
//! - `number` is what a table or a column keeps when it is renamed.
//! - `definition` is the statement that makes it or sets it. What no statement brings back (rows went with it) is described in a
//!   comment, which is a statement that does nothing.
//! - `undo` is the statement that removes it; `NULL` where it holds rows, or things of others.
//!
//! Without what goes with something else: indexes of constraints, clones of triggers in partitions, members of extensions.

/// All of them. Names are qualified, for the writer's search path has no schema of the application.
pub(super) const DEFINITIONS: &str = r#"
WITH space AS (
  SELECT oid, nspname::text AS schema, nspowner, nspacl FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'venomqa')),
relation AS (
  SELECT c.*, s.schema, c.oid::regclass::text AS name,
         ARRAY[s.schema, c.relname::text] || (SELECT ARRAY[n.nspname::text, r.relname::text] FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
           WHERE r.oid = coalesce(d.refobjid, CASE WHEN c.relispartition THEN pg_partition_root(c.oid) END)) AS of_table,
         d.refobjid::regclass::text AS of_name,
         d.deptype = 'i' AS is_identity, (SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid) AS of_column
  FROM pg_class c JOIN space s ON s.oid = c.relnamespace
  LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  WHERE c.relpersistence <> 't'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
held AS (SELECT * FROM relation WHERE relkind IN ('r', 'p', 'f')),
routine AS (
  SELECT p.*, s.schema, p.oid::regprocedure::text AS name FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),
kind_of_value AS (
  SELECT t.*, s.schema, t.oid::regtype::text AS name FROM pg_type t JOIN space s ON s.oid = t.typnamespace
  WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'b' AND t.typelem = 0
         OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')),
columns AS (
  SELECT h.oid, h.of_table, h.name AS of_name, a.*, format('%s.%I', h.name, a.attname) AS name,
         format('ALTER TABLE %s ALTER COLUMN %I', h.name, a.attname) AS alter_it
  FROM held h JOIN pg_attribute a ON a.attrelid = h.oid WHERE a.attnum > 0 AND NOT a.attisdropped),
owned AS (
  SELECT 'TABLE' AS what, name, CASE WHEN is_identity THEN of_name ELSE name END AS parent, of_table, '' AS part, relowner AS owner,
         coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
  FROM relation WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
  UNION ALL SELECT 'TABLE', of_name, name, of_table, format(' (%I)', attname), NULL, attacl FROM columns WHERE attacl IS NOT NULL
  UNION ALL SELECT 'ROUTINE', name, name, NULL, '', proowner, coalesce(proacl, acldefault('f', proowner)) FROM routine
  UNION ALL SELECT CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, name, name, NULL, '', typowner, coalesce(typacl, acldefault('T', typowner)) FROM kind_of_value
  UNION ALL SELECT 'SCHEMA', quote_ident(schema), quote_ident(schema), NULL, '', nspowner, coalesce(nspacl, acldefault('n', nspowner)) FROM space),
granted AS (
  SELECT o.what, o.name, o.parent, o.of_table, o.part,
         CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee,
         string_agg(x.privilege_type || o.part, ', ' ORDER BY x.privilege_type) FILTER (WHERE NOT x.is_grantable) AS plain,
         string_agg(x.privilege_type || o.part, ', ' ORDER BY x.privilege_type) FILTER (WHERE x.is_grantable) AS grantable
  FROM owned o CROSS JOIN LATERAL aclexplode(o.acl) AS x GROUP BY 1, 2, 3, 4, 5, 6),
remark AS (
  SELECT d.*, i.type, i.schema, i.identity,
         CASE WHEN i.type ~ ' column$' THEN 'COLUMN' WHEN i.type ~ ' constraint$' THEN 'CONSTRAINT'
              WHEN i.type = 'composite type' THEN 'TYPE' ELSE upper(i.type) END AS word
  FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
  WHERE d.objoid >= 16384 AND i.identity IS NOT NULL AND i.schema IS DISTINCT FROM 'venomqa' AND i.schema !~ '^pg_' IS NOT FALSE
    AND NOT (i.type = 'schema' AND i.identity = 'venomqa')
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')),
other AS (
  SELECT i.type, i.identity, o.detail
  FROM (SELECT 'pg_operator'::regclass AS class, oid, NULL AS detail FROM pg_operator UNION ALL SELECT 'pg_cast'::regclass, oid, NULL FROM pg_cast
    UNION ALL SELECT 'pg_collation'::regclass, oid, NULL FROM pg_collation UNION ALL SELECT 'pg_conversion'::regclass, oid, NULL FROM pg_conversion
    UNION ALL SELECT 'pg_opclass'::regclass, oid, NULL FROM pg_opclass UNION ALL SELECT 'pg_opfamily'::regclass, oid, NULL FROM pg_opfamily
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, NULL FROM pg_ts_config UNION ALL SELECT 'pg_ts_dict'::regclass, oid, NULL FROM pg_ts_dict
    UNION ALL SELECT 'pg_language'::regclass, oid, NULL FROM pg_language
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, array_to_string(srvoptions, ' ') FROM pg_foreign_server
    UNION ALL SELECT 'pg_publication'::regclass, oid, (to_jsonb(p) - 'oid')::text FROM pg_publication p
    UNION ALL SELECT 'pg_publication_rel'::regclass, oid, NULL FROM pg_publication_rel) AS o
  CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
  WHERE o.oid >= 16384 AND i.identity IS NOT NULL AND i.schema IS DISTINCT FROM 'venomqa'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype = 'e'))
SELECT 'schema' AS kind, quote_ident(schema) AS name, NULL AS parent, NULL::text[] AS of_table, NULL AS number,
       format('CREATE SCHEMA %I', schema) AS definition, NULL AS undo FROM space
UNION ALL SELECT 'extension', quote_ident(x.extname), NULL, NULL, NULL,
       format('CREATE EXTENSION %I SCHEMA %I VERSION %L', x.extname, n.nspname, x.extversion), NULL
  FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
UNION ALL SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
       name, of_name, of_table, CASE WHEN relkind IN ('r', 'p') THEN oid::text END,
       CASE relkind WHEN 'v' THEN format('CREATE OR REPLACE VIEW %s%s AS %s', name, ' WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid))
         WHEN 'm' THEN format('CREATE MATERIALIZED VIEW %s%s AS %s WITH %sDATA', name, ' WITH (' || array_to_string(reloptions, ', ') || ')',
           rtrim(pg_get_viewdef(oid), ';'), CASE WHEN relispopulated THEN '' ELSE 'NO ' END)
         WHEN 'S' THEN format('CREATE SEQUENCE %s', name)
         ELSE concat_ws(' ', '-- holds rows', 'PARTITION BY ' || pg_get_partkeydef(oid)) END,
       CASE relkind WHEN 'v' THEN format('DROP VIEW %s', name) WHEN 'm' THEN format('DROP MATERIALIZED VIEW %s', name) END
  FROM relation WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    AND is_identity IS NOT TRUE
UNION ALL SELECT 'column', name, of_name, of_table, format('%s %s', oid, attnum),
       concat_ws(' ', '--', format_type(atttypid, atttypmod), 'COLLATE ' || NULLIF(attcollation, 0)::regcollation::text,
         'IDENTITY ' || NULLIF(attidentity::text, ''), 'GENERATED ' || NULLIF(attgenerated::text, '')
           || ' ' || (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = attrelid AND d.adnum = attnum)), NULL
  FROM columns
UNION ALL SELECT 'default of', c.name, c.name, c.of_table, NULL, format('%s SET DEFAULT %s', c.alter_it, pg_get_expr(d.adbin, d.adrelid)), c.alter_it || ' DROP DEFAULT'
  FROM columns c JOIN pg_attrdef d ON d.adrelid = c.attrelid AND d.adnum = c.attnum WHERE c.attgenerated = ''
UNION ALL SELECT 'not null of', name, name, of_table, NULL, alter_it || ' SET NOT NULL', alter_it || ' DROP NOT NULL' FROM columns WHERE attnotnull
UNION ALL SELECT 'column settings of', c.name, c.name, c.of_table, NULL,
       concat_ws(', ', format('ALTER TABLE ONLY %s ALTER %I SET STATISTICS %s', c.of_name, c.attname, coalesce(c.attstattarget, -1)),
         format('ALTER %I RESET (n_distinct, n_distinct_inherited)', c.attname),
         'ALTER ' || quote_ident(c.attname) || ' SET (' || array_to_string(c.attoptions, ', ') || ')',
         format('ALTER %I SET STORAGE %s', c.attname, CASE c.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END),
         CASE WHEN t.typstorage <> 'p' THEN 'ALTER ' || quote_ident(c.attname) || ' SET COMPRESSION ' ||
           CASE to_jsonb(c) ->> 'attcompression' WHEN '' THEN 'default' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END END), NULL
  FROM columns c JOIN held h ON h.oid = c.oid AND h.relkind <> 'f' JOIN pg_type t ON t.oid = c.atttypid
UNION ALL SELECT 'row level security of', name, name, of_table, NULL,
       format('ALTER TABLE %s %s ROW LEVEL SECURITY, %s ROW LEVEL SECURITY', name, CASE WHEN relrowsecurity THEN 'ENABLE' ELSE 'DISABLE' END,
         CASE WHEN relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END), NULL
  FROM held WHERE relkind <> 'f'
UNION ALL SELECT 'replica identity of', h.name, h.name, h.of_table, NULL, format('ALTER TABLE %s REPLICA IDENTITY %s', h.name,
         CASE h.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
           ELSE (SELECT format('USING INDEX %I', i.relname) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = h.oid AND x.indisreplident) END), NULL
  FROM held h WHERE relkind <> 'f'
UNION ALL SELECT 'persistence of', name, name, of_table, NULL, format('ALTER TABLE %s SET %s', name, CASE relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'LOGGED' END), NULL
  FROM held WHERE relkind = 'r'
UNION ALL SELECT 'storage parameters of', name, name, of_table, NULL, format('ALTER TABLE %s SET (%s)', name, array_to_string(reloptions, ', ')),
       format('ALTER TABLE %s RESET (%s)', name, (SELECT string_agg(split_part(o, '=', 1), ', ') FROM unnest(reloptions) AS o))
  FROM held WHERE reloptions IS NOT NULL
UNION ALL SELECT CASE WHEN c.relispartition THEN 'partition' ELSE 'inheritance' END, format('%s of %s', c.name, p.name), c.name, c.of_table, NULL,
       CASE WHEN c.relispartition THEN format('ALTER TABLE %s ATTACH PARTITION %s %s', p.name, c.name, pg_get_expr(c.relpartbound, c.oid))
         ELSE format('ALTER TABLE %s INHERIT %s', c.name, p.name) END,
       CASE WHEN c.relispartition THEN format('ALTER TABLE %s DETACH PARTITION %s', p.name, c.name) ELSE format('ALTER TABLE %s NO INHERIT %s', c.name, p.name) END
  FROM held c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN relation p ON p.oid = i.inhparent
UNION ALL SELECT 'settings of', s.name, CASE WHEN s.is_identity THEN s.of_name ELSE s.name END, s.of_table, NULL,
       format('ALTER SEQUENCE %s AS %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s CYCLE', s.name, q.seqtypid::regtype, q.seqstart, q.seqincrement,
         q.seqmin, q.seqmax, q.seqcache, CASE WHEN q.seqcycle THEN '' ELSE ' NO' END), NULL
  FROM relation s JOIN pg_sequence q ON q.seqrelid = s.oid
UNION ALL SELECT 'owning column of', name, name, of_table, NULL, format('ALTER SEQUENCE %s OWNED BY %s.%s', name, of_name, of_column), format('ALTER SEQUENCE %s OWNED BY NONE', name)
  FROM relation WHERE is_identity = false
UNION ALL SELECT 'index', x.name, t.name, t.of_table, NULL,
       CASE x.relkind WHEN 'I' THEN replace(pg_get_indexdef(x.oid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(x.oid) END, format('DROP INDEX %s', x.name)
  FROM relation x JOIN pg_index i ON i.indexrelid = x.oid JOIN relation t ON t.oid = i.indrelid
  WHERE NOT x.relispartition AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.oid AND contype IN ('p', 'u', 'x'))
UNION ALL SELECT 'clustering of', h.name, h.name, h.of_table, NULL, format('ALTER TABLE %s CLUSTER ON %I', h.name, i.relname), format('ALTER TABLE %s SET WITHOUT CLUSTER', h.name)
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN held h ON h.oid = x.indrelid WHERE x.indisclustered
UNION ALL SELECT 'constraint', format('%I on %s', n.conname, h.name), h.name, h.of_table, NULL,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', h.name, n.conname, pg_get_constraintdef(n.oid)), format('ALTER TABLE %s DROP CONSTRAINT %I', h.name, n.conname)
  FROM pg_constraint n JOIN held h ON h.oid = n.conrelid WHERE n.contype IN ('c', 'f', 'p', 'u', 'x') AND n.conparentid = 0 AND n.conislocal
UNION ALL SELECT 'constraint', format('%I on %s', n.conname, t.name), t.name, NULL, NULL,
       format('ALTER DOMAIN %s ADD CONSTRAINT %I %s', t.name, n.conname, pg_get_constraintdef(n.oid)), format('ALTER DOMAIN %s DROP CONSTRAINT %I', t.name, n.conname)
  FROM pg_constraint n JOIN kind_of_value t ON t.oid = n.contypid WHERE n.contype = 'c'
UNION ALL SELECT 'trigger', format('%I on %s', g.tgname, r.name), r.name, r.of_table, NULL,
       pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'O' THEN '' ELSE format('; ALTER TABLE %s %s TRIGGER %I', r.name,
         CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, g.tgname) END,
       format('DROP TRIGGER %I ON %s', g.tgname, r.name)
  FROM pg_trigger g JOIN relation r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgname NOT LIKE 'venomqa\_%'
UNION ALL SELECT 'rule', format('%I on %s', w.rulename, r.name), r.name, r.of_table, NULL,
       pg_get_ruledef(w.oid) || CASE w.ev_enabled WHEN 'O' THEN '' ELSE format(' ALTER TABLE %s %s RULE %I', r.name,
         CASE w.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, w.rulename) END,
       format('DROP RULE %I ON %s', w.rulename, r.name)
  FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL SELECT 'policy', format('%I on %s', p.polname, h.name), h.name, h.of_table, NULL,
       concat_ws(' ', format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, h.name, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
         CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
         (SELECT string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END, ', ') FROM unnest(p.polroles) AS o)),
         'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
       format('DROP POLICY %I ON %s', p.polname, h.name)
  FROM pg_policy p JOIN held h ON h.oid = p.polrelid
UNION ALL SELECT 'statistics', format('%I.%I', n.nspname, s.stxname), h.name, h.of_table, NULL, pg_get_statisticsobjdef(s.oid), format('DROP STATISTICS %I.%I', n.nspname, s.stxname)
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace JOIN held h ON h.oid = s.stxrelid
UNION ALL SELECT CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, name, NULL, NULL, NULL,
       CASE prokind WHEN 'a' THEN '-- an aggregate' ELSE pg_get_functiondef(oid) END, format('DROP ROUTINE %s', name)
  FROM routine
UNION ALL SELECT CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END, name, NULL, NULL, NULL,
       CASE typtype
         WHEN 'e' THEN format('CREATE TYPE %s AS ENUM (%s)', name, (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
         WHEN 'd' THEN concat_ws(' ', format('CREATE DOMAIN %s AS %s', name, format_type(typbasetype, typtypmod)), 'DEFAULT ' || typdefault, CASE WHEN typnotnull THEN 'NOT NULL' END)
         WHEN 'c' THEN format('CREATE TYPE %s AS (%s)', name, (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
         WHEN 'r' THEN format('-- a range of %s', (SELECT r.rngsubtype::regtype FROM pg_range r WHERE r.rngtypid = t.oid))
         ELSE '-- a base type' END,
       format('DROP TYPE %s', name)
  FROM kind_of_value t
UNION ALL SELECT 'event trigger', quote_ident(evtname), NULL, NULL, NULL,
       format('CREATE EVENT TRIGGER %I ON %s%s EXECUTE FUNCTION %s()', evtname, evtevent,
         ' WHEN TAG IN (' || (SELECT string_agg(quote_literal(g), ', ') FROM unnest(evttags) AS g) || ')', evtfoid::regproc)
       || CASE evtenabled WHEN 'O' THEN '' ELSE format('; ALTER EVENT TRIGGER %I %s', evtname,
         CASE evtenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END) END,
       format('DROP EVENT TRIGGER %I', evtname)
  FROM pg_event_trigger e WHERE evtname !~ '^venomqa_'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
UNION ALL SELECT type, identity, NULL, NULL, NULL, concat_ws(' ', '--', detail), format('DROP %s %s', upper(type), identity) FROM other
UNION ALL SELECT 'settings', format('%s', coalesce('the role ' || quote_ident(r.rolname), 'every role')), NULL, NULL, NULL, '-- ' || array_to_string(s.setconfig, ' '), NULL
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'default privileges', concat_ws(' ', 'of', quote_ident(pg_get_userbyid(a.defaclrole)), 'in ' || n.nspname, 'for ' || a.defaclobjtype::text), NULL, NULL, NULL,
       '-- ' || a.defaclacl::text, NULL
  FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace
UNION ALL SELECT 'owner of', name, parent, of_table, NULL, format('ALTER %s %s OWNER TO %I', what, name, pg_get_userbyid(owner)), NULL FROM owned WHERE owner IS NOT NULL
UNION ALL SELECT 'privileges on', format('%s%s for %s', name, part, grantee), parent, of_table, NULL,
       concat_ws('; ', format('REVOKE ALL%s ON %s %s FROM %s', part, what, name, grantee), CASE WHEN plain IS NOT NULL THEN format('GRANT %s ON %s %s TO %s', plain, what, name, grantee) END,
         CASE WHEN grantable IS NOT NULL THEN format('GRANT %s ON %s %s TO %s WITH GRANT OPTION', grantable, what, name, grantee) END),
       format('REVOKE ALL%s ON %s %s FROM %s', part, what, name, grantee)
  FROM granted
UNION ALL SELECT 'comment on', format('%s %s', type, identity),
       CASE classoid WHEN 'pg_class'::regclass THEN CASE objsubid WHEN 0 THEN objoid::regclass::text ELSE identity END ELSE coalesce(substring(identity FROM ' on (.+)$'), identity) END,
       NULL, NULL, format('COMMENT ON %s %s IS %L', word, identity, description), format('COMMENT ON %s %s IS NULL', word, identity)
  FROM remark"#;
