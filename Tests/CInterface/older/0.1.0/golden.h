/* The golden cases: a tiny safetensors reader for files of the project's own writer. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "support.h"

typedef struct {
    char *bytes;
    size_t size;
    const char *header;
    size_t header_size;
} tensor_file;

typedef struct {
    const void *data;
    int64_t shape[4];
    int dimensions;
    int64_t count;
    char type[8];
} tensor;

static tensor_file read_file(const char *path) {
    tensor_file file;
    FILE *stream = fopen(path, "rb");
    long size;
    uint64_t length = 0;
    if (stream == NULL || fseek(stream, 0, SEEK_END) != 0 || (size = ftell(stream)) < 8) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    rewind(stream);
    file.size = (size_t)size;
    file.bytes = (char *)allocate(file.size + 1);
    if (fread(file.bytes, 1, file.size, stream) != file.size) exit(2);
    fclose(stream);
    memcpy(&length, file.bytes, 8);
    file.header = file.bytes + 8;
    file.header_size = (size_t)length;
    file.bytes[file.size] = 0;
    return file;
}

static const char *find(const tensor_file *file, const char *what) {
    size_t length = strlen(what);
    size_t place;
    for (place = 0; place + length <= file->header_size; place += 1) {
        if (memcmp(file->header + place, what, length) == 0) return file->header + place + length;
    }
    return NULL;
}

/* Knows the headers that the project's own writer makes. The data is copied, so that it is aligned. */
static int get_tensor(const tensor_file *file, const char *name, tensor *result) {
    char key[128];
    const char *place, *shape, *offsets;
    unsigned long long begin = 0, end = 0;
    void *copy;
    snprintf(key, sizeof key, "\"%s\":", name);
    place = find(file, key);
    if (place == NULL) return 0;
    sscanf(strstr(place, "\"dtype\":") + 8, " \"%7[^\"]", result->type);
    shape = strchr(strstr(place, "\"shape\":"), '[') + 1;
    offsets = strchr(strstr(place, "\"data_offsets\":"), '[') + 1;
    result->dimensions = 0;
    result->count = 1;
    while (*shape != ']' && result->dimensions < 4) {
        result->shape[result->dimensions] = strtoll(shape, (char **)&shape, 10);
        result->count *= result->shape[result->dimensions];
        result->dimensions += 1;
        while (*shape == ',' || *shape == ' ') shape += 1;
    }
    sscanf(offsets, "%llu , %llu", &begin, &end);
    copy = allocate((size_t)(end - begin));
    memcpy(copy, file->bytes + 8 + file->header_size + begin, (size_t)(end - begin));
    result->data = copy;
    return 1;
}

static float half_to_float(uint16_t half) {
    int exponent = half >> 10 & 31;
    float value = exponent == 0 ? ldexpf((float)(half & 1023), -24)
                                : ldexpf((float)(half & 1023) + 1024, exponent - 25);
    if (exponent == 31) value = half & 1023 ? NAN : INFINITY;
    return half & 0x8000 ? -value : value;
}

/* A copy of F32 or F16 numbers as float. */
static float *floats(const tensor *source) {
    float *result = (float *)allocate((size_t)source->count * sizeof(float));
    int64_t index;
    for (index = 0; index < source->count; index += 1) {
        result[index] = strcmp(source->type, "F32") == 0 ? ((const float *)source->data)[index]
                                                         : half_to_float(((const uint16_t *)source->data)[index]);
    }
    return result;
}

/* ---------------------------------------------------------------------------------------------- Golden cases */

/* The value of a key of the configuration, which stands in the metadata as JSON in a string. */
static const char *field(const tensor_file *file, const char *name) {
    char key[64];
    const char *place;
    snprintf(key, sizeof key, "\\\"%s\\\":", name);
    place = find(file, key);
    if (place == NULL) {
        fprintf(stderr, "no %s in the configuration\n", name);
        exit(2);
    }
    while (*place == ' ') place += 1;
    return place;
}

static int is_true(const char *value) { return strncmp(value, "true", 4) == 0; }

static int is_text(const char *value, const char *text) {
    size_t length = strlen(text);
    return strncmp(value, "\\\"", 2) == 0 && strncmp(value + 2, text, length) == 0 && value[2 + length] == '\\';
}

static inline flashvid_configuration golden_configuration(const tensor_file *file) {
    flashvid_configuration configuration;
    const char *selection = field(file, "selection");
    EXPECT(flashvid_configuration_init(&configuration, sizeof configuration) == FLASHVID_OK, "init");
    configuration.retention_ratio = atof(field(file, "retention_ratio"));
    configuration.expansion = atof(field(file, "expansion"));
    configuration.alpha = atof(field(file, "alpha"));
    configuration.selection = is_text(selection, "attention")            ? FLASHVID_SELECTION_ATTENTION
                              : is_text(selection, "diversity")          ? FLASHVID_SELECTION_DIVERSITY
                              : is_text(selection, "attentionDiversity") ? FLASHVID_SELECTION_ATTENTION_DIVERSITY
                                                                         : FLASHVID_SELECTION_ATTENTION_DIVERSITY_EVENT;
    configuration.segmentation = is_true(field(file, "segmentation"));
    configuration.segment_threshold = atof(field(file, "segment_threshold"));
    configuration.minimum_segments = atoll(field(file, "minimum_segments"));
    configuration.maximum_segment_frames = atoll(field(file, "maximum_segment_frames"));
    configuration.temporal_threshold = atof(field(file, "temporal_threshold"));
    configuration.complementary_segments = is_true(field(file, "complementary_segments"));
    configuration.aggregation =
        is_text(field(file, "aggregation"), "max") ? FLASHVID_AGGREGATION_MAX : FLASHVID_AGGREGATION_MEAN;
    configuration.semantics =
        is_true(field(file, "published_quirks")) ? FLASHVID_SEMANTICS_PUBLISHED : FLASHVID_SEMANTICS_DEFINITION;
    configuration.carry = is_true(field(file, "carry"));
    configuration.refinement_rounds = atoll(field(file, "refinement_rounds"));
    configuration.placement =
        is_text(field(file, "placement"), "medoid") ? FLASHVID_PLACEMENT_MEDOID : FLASHVID_PLACEMENT_CENTRE;
    return configuration;
}

static inline int64_t integer_at(const void *integers, flashvid_index type, int64_t place) {
    return type == FLASHVID_INT32 ? ((const int32_t *)integers)[place] : ((const int64_t *)integers)[place];
}

#endif
