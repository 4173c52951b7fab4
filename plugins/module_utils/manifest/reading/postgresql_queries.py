"""What the server is asked about itself: its settings, files, databases, roles and rules."""

from __future__ import annotations

QUERIES = {
    "settings": """
        SELECT name, current_setting(name) AS value FROM pg_settings
        WHERE source NOT IN ('default', 'override', 'client', 'session', 'interactive', 'test')""",
    "presets": """
        SELECT name, current_setting(name) AS value FROM pg_settings
        WHERE name IN ('server_version', 'server_encoding', 'data_checksums', 'block_size', 'wal_segment_size')""",
    "files": """
        SELECT DISTINCT ON (name) name, setting, applied, error, sourcefile
        FROM pg_file_settings WHERE name IS NOT NULL ORDER BY name, seqno DESC""",
    "known": """
        SELECT name, setting, unit, boot_val, source, vartype FROM pg_settings
        WHERE lower(name) IN (SELECT lower(name) FROM pg_file_settings) OR source = 'configuration file'""",
    "loaded": "SELECT extract(epoch FROM pg_conf_load_time()) AS time",
    "per_role": """
        SELECT coalesce(d.datname, 'any database') AS database, coalesce(r.rolname, 'any role') AS role,
          unnest(setconfig) AS setting
        FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
          LEFT JOIN pg_roles r ON r.oid = setrole""",
    "extensions": """
        SELECT extname AS name, extversion AS version, n.nspname AS schema
        FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace""",
    # Columns that the oldest supported server has not got are null there.
    "databases": """
        SELECT d.datname AS name, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding,
          datcollate AS collate, datctype AS ctype, to_jsonb(d)->>'datlocprovider' AS provider,
          to_jsonb(d)->>'datcollversion' AS collation, datconnlimit AS connections, datallowconn AS allowed,
          datacl::text[] AS grants
        FROM pg_database d WHERE NOT datistemplate""",
    "collations": """
        SELECT CASE collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'ICU' ELSE collprovider::text END AS provider,
          max(pg_collation_actual_version(oid)) AS version
        FROM pg_collation WHERE collprovider IN ('c', 'i') GROUP BY 1""",
    "roles": """
        SELECT rolname AS name, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
          rolbypassrls, rolconnlimit, rolvaliduntil, rolpassword,
          ARRAY(SELECT pg_get_userbyid(roleid) FROM pg_auth_members m WHERE m.member = a.oid ORDER BY 1) AS member_of
        FROM pg_authid a WHERE rolname !~ '^pg_'""",
    "rules": """
        SELECT line_number AS line, type, database, user_name AS users, address, netmask, auth_method AS method,
          options, error
        FROM pg_hba_file_rules ORDER BY line_number""",
    "replication": "SELECT slot_name AS name, slot_type AS type FROM pg_replication_slots",
}
