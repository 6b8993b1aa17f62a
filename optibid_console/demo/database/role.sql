\getenv password PGPASSWORD
CREATE ROLE optibid LOGIN CREATEDB PASSWORD :'password';
GRANT pg_signal_backend TO optibid;
