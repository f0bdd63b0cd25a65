-- The gallery: the tables that the demo, the tests and the benchmarks index. Images belong to posts,
-- have tags, and were made with tools, techniques and versions of models.

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

CREATE TABLE "ImageTool" (
    "imageId"  bigint NOT NULL REFERENCES "Image" ON DELETE CASCADE,
    "toolId"   bigint NOT NULL,
    PRIMARY KEY ("imageId", "toolId")
);

CREATE TABLE "ImageTechnique" (
    "imageId"      bigint NOT NULL REFERENCES "Image" ON DELETE CASCADE,
    "techniqueId"  bigint NOT NULL,
    notes          text,
    PRIMARY KEY ("imageId", "techniqueId")
);

CREATE TABLE "Model" (
    id   bigserial PRIMARY KEY,
    poi  boolean -- shows a real person
);

CREATE TABLE "ModelVersion" (
    id           bigserial PRIMARY KEY,
    "modelId"    bigint NOT NULL REFERENCES "Model",
    "baseModel"  text NOT NULL
);
CREATE INDEX "ModelVersion_modelId_idx" ON "ModelVersion" ("modelId");

-- An image has one version, because "baseModel" is a field of a single value.
CREATE TABLE "ImageResource" (
    "imageId"         bigint PRIMARY KEY REFERENCES "Image" ON DELETE CASCADE,
    "modelVersionId"  bigint NOT NULL REFERENCES "ModelVersion"
);
CREATE INDEX "ImageResource_modelVersionId_idx" ON "ImageResource" ("modelVersionId");
