-- What turns a change of the gallery into ops. One row of "BitdexOps" per changed row.
--
-- The functions are SECURITY DEFINER with a fixed search_path: whoever may write the tables needs
-- no right on the outbox. ENABLE ALWAYS: a session that replicates (session_replication_role =
-- replica) writes its ops as well. Points in time are Unix seconds.

CREATE FUNCTION bitdex_seconds(moment timestamptz) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_jsonb(floor(extract(epoch FROM moment))::bigint)
$$;

-- The ops that take one field from an old value to a new one; none when nothing changed.
CREATE FUNCTION bitdex_change(field text, old_value jsonb, new_value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN old_value IS NOT DISTINCT FROM new_value THEN '[]'
        WHEN old_value IS NULL THEN jsonb_build_array(
            jsonb_build_object('op', 'set', 'field', field, 'value', new_value))
        WHEN new_value IS NULL THEN jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', field, 'value', old_value))
        ELSE jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', field, 'value', old_value),
            jsonb_build_object('op', 'set', 'field', field, 'value', new_value))
    END
$$;

-- What the index knows of an image by its own row.
CREATE FUNCTION bitdex_image_fields(image "Image") RETURNS jsonb
LANGUAGE sql STABLE SET search_path = public, pg_catalog, pg_temp AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'nsfwLevel', image."nsfwLevel",
        'type', image.type,
        'userId', image."userId",
        'postId', image."postId",
        'blockedFor', image."blockedFor",
        'minor', image.minor,
        'poi', image.poi,
        'hasMeta', (image.flags >> 13) & 1 = 1 AND (image.flags >> 2) & 1 = 0,
        'onSite', (image.flags >> 14) & 1 = 1,
        'existedAt', bitdex_seconds(greatest(image."scannedAt", image."createdAt"))))
$$;

-- What an image has from its post, as ops that set it, null included. The post is read with a lock:
-- an image that joins and a change of the post cannot pass each other unseen.
CREATE FUNCTION bitdex_image_post_ops(post_id bigint) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    post "Post";
BEGIN
    SELECT * INTO post FROM "Post" WHERE id = post_id FOR SHARE;
    RETURN jsonb_build_array(
        jsonb_build_object('op', 'set', 'field', 'publishedAt',
            'value', bitdex_seconds(post."publishedAt")),
        jsonb_build_object('op', 'set', 'field', 'availability', 'value', post.availability));
END
$$;

CREATE FUNCTION "bitdex_Image_ops_00000001"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    is_new boolean := TG_OP = 'INSERT';
    old_fields jsonb := '{}';
    new_fields jsonb;
    ops jsonb := '[]';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        is_new := NEW.id <> OLD.id;
    END IF;
    IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR is_new) THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (OLD.id, '[{"op": "delete"}]');
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN NULL;
    END IF;
    new_fields := bitdex_image_fields(NEW);
    IF is_new THEN
        ops := '[{"op": "alive"}]';
    ELSE
        old_fields := bitdex_image_fields(OLD);
    END IF;
    ops := ops || coalesce((
        SELECT jsonb_agg(op.value ORDER BY field, op.ordinality)
        FROM jsonb_object_keys(old_fields || new_fields) AS field,
            jsonb_array_elements(bitdex_change(field, old_fields -> field, new_fields -> field))
                WITH ORDINALITY AS op), '[]');
    IF is_new OR NEW."postId" IS DISTINCT FROM OLD."postId" THEN
        ops := ops || bitdex_image_post_ops(NEW."postId");
    END IF;
    IF ops <> '[]' THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, ops);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION "bitdex_TagsOnImageNew_ops_00000001"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    had boolean := TG_OP <> 'INSERT';
    has boolean := TG_OP <> 'DELETE';
BEGIN
    IF had THEN
        had := (OLD.attributes >> 10) & 1 = 0;
    END IF;
    IF has THEN
        has := (NEW.attributes >> 10) & 1 = 0;
    END IF;
    IF had AND has AND (OLD."imageId", OLD."tagId") = (NEW."imageId", NEW."tagId") THEN
        RETURN NULL;
    END IF;
    IF had THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (OLD."imageId", jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', 'tagIds', 'value', OLD."tagId")));
    END IF;
    IF has THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW."imageId", jsonb_build_array(
            jsonb_build_object('op', 'add', 'field', 'tagIds', 'value', NEW."tagId")));
    END IF;
    RETURN NULL;
END
$$;

-- A new post has no images yet, and a deleted one leaves none: ON DELETE SET NULL updates them.
CREATE FUNCTION "bitdex_Post_ops_00000001"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    ops jsonb;
BEGIN
    ops := bitdex_change('publishedAt', bitdex_seconds(OLD."publishedAt"),
            bitdex_seconds(NEW."publishedAt"))
        || bitdex_change('availability', to_jsonb(OLD.availability), to_jsonb(NEW.availability));
    IF ops <> '[]' THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
            jsonb_build_object('op', 'queryOpSet', 'query', format('postId eq %s', NEW.id),
                'ops', ops)));
    END IF;
    RETURN NULL;
END
$$;

-- A TRUNCATE names no rows, so it cannot become ops.
CREATE FUNCTION bitdex_refuse_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of "%" would not reach the index: use DELETE', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER "bitdex_Image_00000001" AFTER INSERT OR UPDATE OR DELETE ON "Image"
    FOR EACH ROW EXECUTE FUNCTION "bitdex_Image_ops_00000001"();
CREATE TRIGGER "bitdex_TagsOnImageNew_00000001" AFTER INSERT OR UPDATE OR DELETE
    ON "TagsOnImageNew" FOR EACH ROW EXECUTE FUNCTION "bitdex_TagsOnImageNew_ops_00000001"();
CREATE TRIGGER "bitdex_Post_00000001" AFTER UPDATE ON "Post"
    FOR EACH ROW EXECUTE FUNCTION "bitdex_Post_ops_00000001"();

ALTER TABLE "Image" ENABLE ALWAYS TRIGGER "bitdex_Image_00000001";
ALTER TABLE "TagsOnImageNew" ENABLE ALWAYS TRIGGER "bitdex_TagsOnImageNew_00000001";
ALTER TABLE "Post" ENABLE ALWAYS TRIGGER "bitdex_Post_00000001";

CREATE TRIGGER "bitdex_Image_00000001_t" BEFORE TRUNCATE ON "Image"
    FOR EACH STATEMENT EXECUTE FUNCTION bitdex_refuse_truncate();
ALTER TABLE "Image" ENABLE ALWAYS TRIGGER "bitdex_Image_00000001_t";
CREATE TRIGGER "bitdex_TagsOnImageNew_00000001_t" BEFORE TRUNCATE ON "TagsOnImageNew"
    FOR EACH STATEMENT EXECUTE FUNCTION bitdex_refuse_truncate();
ALTER TABLE "TagsOnImageNew" ENABLE ALWAYS TRIGGER "bitdex_TagsOnImageNew_00000001_t";
CREATE TRIGGER "bitdex_Post_00000001_t" BEFORE TRUNCATE ON "Post"
    FOR EACH STATEMENT EXECUTE FUNCTION bitdex_refuse_truncate();
ALTER TABLE "Post" ENABLE ALWAYS TRIGGER "bitdex_Post_00000001_t";
