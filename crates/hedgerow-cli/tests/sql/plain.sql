-- Tables as people write them: snake_case, no user table, an index, a view and a trigger of their own.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END;
$$;
CREATE TABLE projects (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  name varchar(80) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE tasks (
  id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
  user_id text NOT NULL,
  project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
  title varchar(200) NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'done')),
  priority integer NOT NULL DEFAULT 2,
  number serial,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  CONSTRAINT one_title UNIQUE (user_id, title)
);
COMMENT ON COLUMN tasks.priority IS 'From 1 to 5';
CREATE TRIGGER touch_tasks BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch();
CREATE INDEX tasks_lower_title ON tasks (lower(title));
CREATE VIEW open_tasks AS SELECT id, user_id, title FROM tasks WHERE status <> 'done';
CREATE TABLE countries (code integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
CREATE TABLE events (id serial PRIMARY KEY, user_id text, note text);
CREATE TABLE event_notes (id text PRIMARY KEY, user_id text NOT NULL, event_id integer REFERENCES events, text text);
INSERT INTO projects (id, user_id, name) VALUES ('p1', 'ann', 'House'), ('p2', 'bob', 'Boat');
INSERT INTO tasks (user_id, project_id, title) VALUES ('ann', 'p1', 'Paint'), ('ann', 'p1', 'Clean'), ('bob', 'p2', 'Paint');
INSERT INTO events (user_id, note) VALUES ('ann', 'x');
INSERT INTO event_notes VALUES ('n1', 'ann', 1, 'y');
