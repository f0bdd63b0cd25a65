-- Rows with the skew of a real gallery: users and tags follow Zipf's law, and most images have the
-- lowest level and belong to a post. psycopg executes this file with the parameter %(images)s. The same
-- number of images gives the same rows.

SELECT setseed(0.5);

INSERT INTO "Post" ("publishedAt", availability)
SELECT CASE WHEN random() < 0.9 THEN now() - random() * interval '700 days' END,
    (ARRAY['Public', 'Public', 'Public', 'Public', 'Private', 'Unsearchable'])
        [1 + floor(random() * 6)]
FROM generate_series(1, %(images)s / 4);

INSERT INTO "Image" (url, "nsfwLevel", hash, flags, type, "userId", "postId", "blockedFor",
    "scannedAt", "createdAt", width, height, minor, poi)
SELECT md5(n::text),
    (ARRAY[1, 1, 1, 1, 2, 2, 4, 8, 16, 32])[1 + floor(random() * 10)],
    md5(random()::text),
    floor(random() * 32768)::bigint,
    CASE WHEN random() < 0.93 THEN 'image' ELSE 'video' END,
    floor(exp(random() * ln(greatest(2, %(images)s / 10))))::bigint,
    CASE WHEN random() < 0.95 THEN 1 + floor(random() * (%(images)s / 4))::bigint END,
    CASE WHEN random() < 0.02 THEN (ARRAY['tos', 'moderated', 'copyright'])[1 + floor(random() * 3)] END,
    CASE WHEN random() < 0.95 THEN now() - random() * interval '700 days' END,
    now() - random() * interval '700 days',
    (ARRAY[512, 768, 832, 1024])[1 + floor(random() * 4)],
    (ARRAY[512, 768, 1216, 1536])[1 + floor(random() * 4)],
    random() < 0.01,
    random() < 0.02
FROM generate_series(1, %(images)s) AS n;

-- An image has 10 to 50 tags, most of them 10. There is one tag for every five images.
INSERT INTO "TagsOnImageNew" ("imageId", "tagId", attributes)
SELECT id, floor(exp(random() * ln(greatest(60, %(images)s / 5))))::bigint,
    CASE WHEN random() < 0.03 THEN 1024 ELSE 0 END
FROM "Image", generate_series(1, 10 + floor(random() ^ 6 * 40)::int + 0 * "Image".id::int)
ON CONFLICT DO NOTHING;

INSERT INTO "ImageTool"
SELECT id, 1 + floor(random() * 20) FROM "Image" WHERE random() < 0.5;

INSERT INTO "ImageTechnique"
SELECT id, 1 + floor(random() * 10), CASE WHEN random() < 0.2 THEN 'see the description' END
FROM "Image" WHERE random() < 0.2;

INSERT INTO "Model" SELECT FROM generate_series(1, 2 + %(images)s / 100);

INSERT INTO "ModelVersion" ("modelId", "baseModel")
SELECT id, (ARRAY['SD 1.5', 'SDXL', 'Pony', 'Flux'])[1 + floor(random() * 4)]
FROM "Model", generate_series(1, 3);

INSERT INTO "ImageResource"
SELECT id, 1 + floor(random() * (SELECT count(*) FROM "ModelVersion"))
FROM "Image" WHERE random() < 0.4;

-- Last, because a fan-out without `children` reaches only images that use the model already.
UPDATE "Model" SET poi = random() < 0.1;
