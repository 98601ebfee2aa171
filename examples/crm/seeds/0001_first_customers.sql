-- Development data. It runs as the user dev@example.com, under the same policies as a request: no row names its owner,
-- PostgreSQL fills it in.
WITH acme AS (
  INSERT INTO companies (name, website, industry, employees)
  VALUES ('Acme Tools', 'https://acme.example', 'manufacturing', 240) RETURNING id
), willow AS (
  INSERT INTO companies (name, website, industry, employees)
  VALUES ('Willow Software', 'https://willow.example', 'software', 35) RETURNING id
), ann AS (
  INSERT INTO contacts (company, name, email, "isDecisionMaker")
  SELECT id, 'Ann Abel', 'ann@acme.example', true FROM acme RETURNING id, company
), bo AS (
  INSERT INTO contacts (company, name, email)
  SELECT id, 'Bo Berg', 'bo@willow.example' FROM willow RETURNING id, company
), machines AS (
  INSERT INTO deals (company, contact, title, stage, amount, "expectedOn", custom)
  SELECT company, id, 'Twelve machines', 'proposal', 48000.00, CURRENT_DATE + 30, '{"discount": 0.05}' FROM ann RETURNING id
), licences AS (
  INSERT INTO deals (company, contact, title, stage, amount)
  SELECT company, id, 'Licences for everyone', 'lead', 9900.50 FROM bo RETURNING id
)
INSERT INTO activities (deal, kind, summary)
SELECT id, 'meeting', 'Walked through the factory' FROM machines
UNION ALL
SELECT id, 'call', 'Asked for a quote' FROM licences;
