-- The way back of: 0001_init, from the entity files.
-- Review it; the way back is 0001_init.down.sql.
-- loses data: table deals is dropped with all its rows
-- safe: table contacts_metas_objects is dropped; it can be made again
-- loses data: table contacts_metas is dropped with all its rows
-- loses data: table contacts is dropped with all its rows
-- loses data: table companies is dropped with all its rows
-- loses data: table activities is dropped with all its rows
-- safe: function keep_contacts_metas_objects() is dropped
-- hedgerow: loses table deals
-- hedgerow: loses table contacts_metas
-- hedgerow: loses table contacts
-- hedgerow: loses table companies
-- hedgerow: loses table activities

ALTER TABLE public."deals" DROP CONSTRAINT "deals_company_fkey";
ALTER TABLE public."deals" DROP CONSTRAINT "deals_contact_fkey";
ALTER TABLE public."deals" DROP CONSTRAINT "deals_userId_fkey";
ALTER TABLE public."contacts_metas_objects" DROP CONSTRAINT "contacts_metas_objects_entityId_fkey";
ALTER TABLE public."contacts_metas" DROP CONSTRAINT "contacts_metas_entityId_fkey";
ALTER TABLE public."contacts_metas" DROP CONSTRAINT "contacts_metas_userId_fkey";
ALTER TABLE public."contacts" DROP CONSTRAINT "contacts_company_fkey";
ALTER TABLE public."contacts" DROP CONSTRAINT "contacts_userId_fkey";
ALTER TABLE public."companies" DROP CONSTRAINT "companies_userId_fkey";
ALTER TABLE public."activities" DROP CONSTRAINT "activities_contact_fkey";
ALTER TABLE public."activities" DROP CONSTRAINT "activities_deal_fkey";
ALTER TABLE public."activities" DROP CONSTRAINT "activities_userId_fkey";
DROP TABLE public."deals";
DROP TABLE public."contacts_metas_objects";
DROP TABLE public."contacts_metas";
DROP TABLE public."contacts";
DROP TABLE public."companies";
DROP TABLE public."activities";
DROP FUNCTION public.keep_contacts_metas_objects();
