-- The way back of: 0002_metadata, from the entity files.
-- Review it; the way back is 0002_metadata.down.sql.
-- loses data: table contacts_metas is dropped with all its rows
-- hedgerow: loses table contacts_metas

ALTER TABLE public."contacts_metas" DROP CONSTRAINT "contacts_metas_entityId_fkey";
ALTER TABLE public."contacts_metas" DROP CONSTRAINT "contacts_metas_userId_fkey";
DROP TABLE public."contacts_metas";
