-- The way back of: 0001_init, from the entity files.
-- Review it; the way back is 0001_init.down.sql.
-- loses data: table weather is dropped with all its rows
-- loses data: table planes is dropped with all its rows
-- loses data: table flights is dropped with all its rows
-- loses data: table airports is dropped with all its rows
-- hedgerow: loses table weather
-- hedgerow: loses table planes
-- hedgerow: loses table flights
-- hedgerow: loses table airports

ALTER TABLE public."weather" DROP CONSTRAINT "weather_origin_fkey";
ALTER TABLE public."weather" DROP CONSTRAINT "weather_userId_fkey";
ALTER TABLE public."planes" DROP CONSTRAINT "planes_userId_fkey";
ALTER TABLE public."flights" DROP CONSTRAINT "flights_dest_fkey";
ALTER TABLE public."flights" DROP CONSTRAINT "flights_origin_fkey";
ALTER TABLE public."flights" DROP CONSTRAINT "flights_planeId_fkey";
ALTER TABLE public."flights" DROP CONSTRAINT "flights_userId_fkey";
ALTER TABLE public."airports" DROP CONSTRAINT "airports_userId_fkey";
DROP TABLE public."weather";
DROP TABLE public."planes";
DROP TABLE public."flights";
DROP TABLE public."airports";
