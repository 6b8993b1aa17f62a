\getenv password PGPASSWORD
CREATE ROLE optibid LOGIN CREATEDB PASSWORD :'password';
