-- The gallery: the tables that the demo, the tests and the benchmarks index. Images have tags and
-- stand in posts; all that a visitor filters and sorts by hangs on these three.

CREATE TABLE "Post" (
    id             bigserial PRIMARY KEY,
    "publishedAt"  timestamptz,
    availability   text NOT NULL DEFAULT 'Public'
);

CREATE TABLE "Image" (
    id            bigserial PRIMARY KEY,
    url           text NOT NULL,
    "nsfwLevel"   integer NOT NULL DEFAULT 0,
    hash          text,
    flags         bigint NOT NULL DEFAULT 0,
    type          text NOT NULL DEFAULT 'image',
    "userId"      bigint NOT NULL,
    "postId"      bigint REFERENCES "Post" ON DELETE SET NULL,
    "blockedFor"  text,
    "scannedAt"   timestamptz,
    "createdAt"   timestamptz NOT NULL DEFAULT now(),
    width         integer,
    height        integer,
    minor         boolean NOT NULL DEFAULT false,
    poi           boolean NOT NULL DEFAULT false
);
CREATE INDEX "Image_postId_idx" ON "Image" ("postId");

CREATE TABLE "TagsOnImageNew" (
    "imageId"   bigint NOT NULL REFERENCES "Image" ON DELETE CASCADE,
    "tagId"     bigint NOT NULL,
    attributes  integer NOT NULL DEFAULT 0, -- bit 10: the tag is disabled
    PRIMARY KEY ("imageId", "tagId")
);
