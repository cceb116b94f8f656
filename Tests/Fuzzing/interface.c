/*
 * libFuzzer on the C functions: bytes become arguments and buffers of exactly the sizes that the headers ask for, and a few
 * of these are then spoilt, in ways that are refused before memory is looked at. Whatever comes, a call returns a status;
 * what it writes stays in its buffers (AddressSanitizer), is what the headers say, and is nothing where it fails.
 */
#include <flashvid_host.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                      \
    do {                                                                        \
        if (!(condition)) {                                                     \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
            abort();                                                            \
        }                                                                       \
    } while (0)

typedef struct {
    const uint8_t *bytes;
    size_t left;
} input;

static uint64_t take(input *source, size_t count) {
    uint64_t value = 0;
    while (count > 0 && source->left > 0) {
        value = value << 8 | *source->bytes;
        source->bytes += 1;
        source->left -= 1;
        count -= 1;
    }
    return value;
}

/* From the end: what is added later leaves the meaning of inputs as it was. */
static uint8_t take_last(input *source) {
    if (source->left == 0) return 0;
    source->left -= 1;
    return source->bytes[source->left];
}

static int64_t below(input *source, int64_t limit) { return (int64_t)(take(source, 1) % (uint64_t)limit); }

/* A number of an odd kind now and then. */
static double odd(input *source, double usual) {
    uint64_t bits;
    double value;
    switch (below(source, 16)) {
    case 0: bits = take(source, 8); memcpy(&value, &bits, 8); return value;
    case 1: return 0;
    case 2: return 1;
    case 3: return -1;
    case 4: return (double)take(source, 1) / 255;
    default: return usual;
    }
}

static int64_t odd_integer(input *source, int64_t usual) {
    switch (below(source, 24)) {
    case 0: return (int64_t)take(source, 8);
    case 1: return -1;
    case 2: return INT64_MAX;
    case 3: return INT64_MIN;
    case 4: return (int64_t)take(source, 1);
    default: return usual;
    }
}

static void fill(input *source, void *memory, size_t bytes, flashvid_scalar type, int attention) {
    size_t index;
    const int whole = below(source, 8) == 0;
    for (index = 0; index < bytes / (type == FLASHVID_FLOAT32 ? 4 : 2); index += 1) {
        const int value = (int)take(source, 1) % 9 - (attention ? 0 : 4);
        if (type == FLASHVID_FLOAT32) {
            float number = (float)value * 0.5f;
            if (whole) { const uint32_t bits = (uint32_t)take(source, 4); memcpy(&number, &bits, 4); }
            ((float *)memory)[index] = number;
        } else {
            static const uint16_t small[] = {0xC000, 0xBE00, 0xBC00, 0xB800, 0, 0x3800, 0x3C00, 0x3E00, 0x4000};
            ((uint16_t *)memory)[index] = whole ? (uint16_t)take(source, 2) : small[(value + 4) % 9] & (attention ? 0x7FFF : 0xFFFF);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------ Memory */

/* Memory of one input: what is read, and rooms for what is written. */
static struct {
    unsigned char *at;
    size_t size;
    int is_room;
} pieces[96];
static int piece_count = 0;

static void *piece(size_t bytes, int is_room) {
    void *const at = malloc(bytes);
    REQUIRE(at != NULL && piece_count < (int)(sizeof pieces / sizeof *pieces));
    if (is_room) memset(at, 0xA5, bytes);
    pieces[piece_count].at = (unsigned char *)at;
    pieces[piece_count].size = bytes;
    pieces[piece_count].is_room = is_room;
    piece_count += 1;
    return at;
}

static void *give(int64_t bytes) { return piece((size_t)bytes, 0); }
static void *room(int64_t bytes) { return piece((size_t)bytes, 1); }

/* As before any call. */
static void refill(void) {
    int index;
    for (index = 0; index < piece_count; index += 1)
        if (pieces[index].is_room) memset(pieces[index].at, 0xA5, pieces[index].size);
}

/* A call that failed wrote nothing. */
static void untouched(void) {
    int index;
    size_t byte;
    for (index = 0; index < piece_count; index += 1)
        for (byte = 0; pieces[index].is_room && byte < pieces[index].size; byte += 1) REQUIRE(pieces[index].at[byte] == 0xA5);
}

static void release(void) {
    while (piece_count > 0) free(pieces[piece_count -= 1].at);
}

static int64_t size_of(flashvid_scalar type) { return type == FLASHVID_FLOAT32 ? 4 : 2; }
static int64_t width_of(flashvid_index type) { return type == FLASHVID_INT32 ? 4 : 8; }

static int64_t integer(const void *list, flashvid_index type, int64_t place) {
    return type == FLASHVID_INT32 ? ((const int32_t *)list)[place] : ((const int64_t *)list)[place];
}

static void set(void *list, flashvid_index type, int64_t place, int64_t value) {
    if (type == FLASHVID_INT32)
        ((int32_t *)list)[place] = (int32_t)value;
    else
        ((int64_t *)list)[place] = value;
}

/* Numbers of a tensor. */
static void *tensor(input *source, int64_t numbers, flashvid_scalar type, int attention) {
    void *const memory = give(numbers * size_of(type));
    fill(source, memory, (size_t)(numbers * size_of(type)), type, attention);
    return memory;
}

/* A list of integers below a limit, now and then of others; ascending where they have to be. */
static void *list(input *source, flashvid_index type, int64_t count, int64_t limit, int ascending) {
    void *const memory = give(count * width_of(type));
    const int wild = below(source, 8) == 0;
    int64_t place, last = 0;
    for (place = 0; place < count; place += 1) {
        int64_t value = limit > 0 ? below(source, limit) : 0;
        if (ascending && !wild) {
            const int64_t step = below(source, 4) == 0 ? 0 : 1 + value % 3;
            value = place == 0 ? value % 3 : last + step;
            if (value >= limit) value = limit - 1;
        }
        if (wild && below(source, 4) == 0) value = odd_integer(source, value - 1);
        set(memory, type, place, value);
        last = value;
    }
    return memory;
}

/* Something that is refused before memory is looked at: 0 where nothing is spoilt. */
static int spoils(input *source) { return below(source, 4) == 0 ? (int)below(source, 200) + 1 : 0; }
static int32_t no_enum(input *source) { return below(source, 2) ? 4 + (int32_t)take(source, 3) : -1 - (int32_t)take(source, 3); }
/* A capacity that is not above what there is. */
static int64_t less(input *source, int64_t capacity) {
    switch (below(source, 4)) {
    case 0: return capacity - 1;
    case 1: return -1 - (int64_t)take(source, 2);
    case 2: return INT64_MIN;
    default: return below(source, capacity + 1);
    }
}
/* A size with which there is nothing, or more than any memory holds. */
static int64_t no_size(input *source) {
    static const int64_t sizes[] = {0, -1, INT64_MIN, INT64_MAX, INT64_MAX - 7, (int64_t)1 << 62, (int64_t)1 << 61, -4};
    return sizes[below(source, 8)];
}

/* The scorers live as long as the process. */
static flashvid_scorer *scorers[2];
static char message[40];

/* Whether something ends calls early. */
static int ends_calls = 0;

static void known(flashvid_status status) {
    REQUIRE(status >= FLASHVID_OK && status <= FLASHVID_CANCELLED && status != FLASHVID_BUSY && status != FLASHVID_FORKED);
    REQUIRE(status != FLASHVID_CANCELLED || ends_calls);
}

/* What holds after a call: a status, and nothing written where it is not FLASHVID_OK. */
static int succeeded(flashvid_status status) {
    known(status);
    if (status != FLASHVID_OK) untouched();
    return status == FLASHVID_OK;
}

/* -------------------------------------------------------------------------------------------- Clips and their results */

/* Mostly none, since a stream takes none. */
static int64_t target_rows(input *source) {
    const uint8_t drawn = take_last(source);
    switch (drawn) {
    case 255: return INT64_MAX;
    case 254: return INT64_MIN;
    case 253: return -1;
    default: return drawn % 4 == 0 ? drawn / 4 : 0;
    }
}

static void configure(input *source, flashvid_configuration *configuration) {
    flashvid_configuration_preset(configuration, sizeof *configuration, (flashvid_model)below(source, 4), 0.25);
    configuration->retention_ratio = odd(source, 0.25);
    configuration->expansion = odd(source, 1.25);
    configuration->alpha = odd(source, 0.7);
    configuration->selection = (flashvid_selection)below(source, 4);
    configuration->segmentation = (int32_t)below(source, 2);
    configuration->segment_threshold = odd(source, 0.9);
    configuration->minimum_segments = odd_integer(source, 4);
    configuration->maximum_segment_frames = odd_integer(source, 2);
    configuration->temporal_threshold = odd(source, 0.8);
    configuration->complementary_segments = (int32_t)below(source, 2);
    configuration->aggregation = (flashvid_aggregation)below(source, 2);
    configuration->semantics = (flashvid_semantics)(below(source, 4) == 0);
    configuration->carry = below(source, 3) == 0;
    configuration->refinement_rounds = below(source, 3);
    configuration->placement = (flashvid_placement)(below(source, 3) == 0);
    configuration->target_rows = target_rows(source);
}

static void lend(input *source, flashvid_clip *clip) {
    int64_t gap, tokens, features;
    memset(clip, 0, sizeof *clip);
    clip->struct_size = sizeof *clip;
    clip->type = (flashvid_scalar)below(source, 3);
    clip->frames = 1 + below(source, 7);
    clip->tokens_per_frame = 1 + below(source, 9);
    clip->channels = 1 + below(source, 11);
    gap = below(source, 3);
    clip->token_stride = gap ? clip->channels + gap : 0;
    tokens = clip->frames * clip->tokens_per_frame;
    features = (tokens - 1) * (clip->channels + gap) + clip->channels;
    clip->features = tensor(source, features, clip->type, 0);
    if (below(source, 2)) {
        clip->attention_type = (flashvid_scalar)below(source, 3);
        clip->attention = tensor(source, tokens, clip->attention_type, 1);
    }
}

static void receive(
    input *source, flashvid_output *output, const flashvid_configuration *configuration, const flashvid_clip *clip,
    int64_t rows) {
    const int64_t tokens = clip->frames * clip->tokens_per_frame;
    int64_t integers, row_stride;
    memset(output, 0, sizeof *output);
    output->struct_size = sizeof *output;
    output->token_type = (flashvid_scalar)below(source, 3);
    output->index_type = (flashvid_index)below(source, 2);
    row_stride = clip->channels + below(source, 3);
    output->row_stride = row_stride;
    output->row_capacity = rows;
    integers = width_of(output->index_type);
    output->tokens = room((rows > 0 ? (rows - 1) * row_stride + clip->channels : 0) * size_of(output->token_type));
    output->indices = room(rows * integers);
    output->kinds = (uint8_t *)room(rows);
    output->segment_lengths = room(clip->frames * integers);
    output->parents = room(tokens * integers);
    if (configuration->semantics == FLASHVID_SEMANTICS_DEFINITION) {
        output->assignment = room(tokens * integers);
        output->counts = room(rows * integers);
    }
    output->row_count = output->segment_count = output->first_frame = -7;
}

/* What holds for a result of some frames. */
static void check(
    const flashvid_output *output, const flashvid_configuration *configuration, int64_t frames, int64_t tokens_per_frame) {
    const flashvid_index type = output->index_type;
    const int64_t first = output->first_frame * tokens_per_frame, tokens = frames * tokens_per_frame;
    const int strict = configuration->semantics == FLASHVID_SEMANTICS_DEFINITION;
    int64_t row, token, rows = 0, total = 0, segment;
    REQUIRE(flashvid_output_token_count(configuration, frames, tokens_per_frame, &rows, NULL, 0) == FLASHVID_OK);
    REQUIRE(strict ? output->row_count == rows : output->row_count >= 0 && output->row_count <= rows);
    for (row = 0; row < output->row_count; row += 1) {
        const int64_t index = integer(output->indices, type, row);
        REQUIRE(index >= first && index < first + tokens);
        REQUIRE(row == 0 || integer(output->indices, type, row - 1) + strict <= index);
        REQUIRE(output->kinds[row] <= FLASHVID_CONTEXTUAL);
        if (output->counts) {
            int64_t members = 0;
            for (token = 0; token < tokens; token += 1) members += integer(output->assignment, type, token) == row;
            REQUIRE(members > 0 && members == integer(output->counts, type, row));
        }
    }
    for (token = 0; token < tokens; token += 1) {
        const int64_t parent = integer(output->parents, type, token);
        REQUIRE(parent == -1 || (parent >= first && parent < first + tokens));
        if (output->assignment) {
            REQUIRE(integer(output->assignment, type, token) >= -1);
            REQUIRE(integer(output->assignment, type, token) < output->row_count);
        }
    }
    for (segment = 0; segment < output->segment_count; segment += 1) {
        REQUIRE(integer(output->segment_lengths, type, segment) > 0);
        total += integer(output->segment_lengths, type, segment);
    }
    REQUIRE(total == frames);
}

/* Rows of a clip; below 0 where there is none of this configuration. */
static int64_t row_count(const flashvid_configuration *configuration, const flashvid_clip *clip) {
    int64_t rows = -1;
    if (flashvid_output_token_count(configuration, clip->frames, clip->tokens_per_frame, &rows, message, sizeof message) !=
            FLASHVID_OK ||
        configuration->refinement_rounds >= 5)
        return -1;
    return rows;
}

static void compress(input *source) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip;
    flashvid_output output;
    int64_t rows;
    configure(source, &configuration);
    lend(source, &clip);
    rows = row_count(&configuration, &clip);
    if (rows < 0) return;
    receive(source, &output, &configuration, &clip, rows);
    if (flashvid_compressor_create(&configuration, 1 + (int32_t)below(source, 2), &compressor, message, sizeof message) !=
        FLASHVID_OK)
        return;
    if (succeeded(flashvid_compressor_compress(compressor, &clip, &output)))
        check(&output, &configuration, clip.frames, clip.tokens_per_frame);
    else
        REQUIRE(output.row_count == -7 && output.segment_count == -7 && output.first_frame == -7);
    /* The same again, with something spoilt; strides and sizes only in ways that are refused. */
    refill();
    switch (below(source, 8)) {
    case 0: output.row_capacity = odd_integer(source, rows - 1); if (output.row_capacity > rows) output.row_capacity = rows; break;
    case 1: clip.features = NULL; break;
    case 2: output.tokens = (void *)(uintptr_t)clip.features; break;
    case 3: output.indices = output.parents; break;
    case 4: clip.struct_size = (size_t)below(source, 80); break;
    case 5: output.row_stride = -below(source, 200) - 1; break;
    case 6: clip.frames = -below(source, 3); break;
    default: break;
    }
    succeeded(flashvid_compressor_compress(compressor, &clip, &output));
    flashvid_compressor_error(compressor, message, (size_t)below(source, 40));
    REQUIRE(flashvid_compressor_destroy(compressor) == FLASHVID_OK);
}

/* A callback that lets some reports pass, and then ends the call by its answer or by a cancel. */
typedef struct {
    flashvid_compressor *compressor;
    flashvid_scorer *scorer;
    int64_t reports, last;
    double share;
    int by_cancel;
} reporter;

static int32_t report(double share, void *context) {
    reporter *const own = (reporter *)context;
    REQUIRE(own->reports == 0 ? share == 0 : share > own->share && share <= 1);
    own->share = share;
    own->reports += 1;
    if (own->reports <= own->last) return 0;
    if (!own->by_cancel) return 1;
    REQUIRE((own->compressor ? flashvid_compressor_cancel(own->compressor) : flashvid_scorer_cancel(own->scorer)) == FLASHVID_OK);
    return 0;
}

/* Ends a call somewhere: nothing is written, and the next one is whole. And what a handle says of itself. */
static void control(input *source) {
    static const double limits[] = {0, 1e-9, 1e-4, 1e9, INFINITY, -1, NAN, -0.0};
    flashvid_configuration configuration, copy;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip;
    flashvid_output output;
    reporter own;
    int64_t rows, count = -7, bytes = -7;
    double limit;
    flashvid_status status;
    memset(&own, 0, sizeof own);
    own.last = below(source, 120);
    own.by_cancel = (int)below(source, 2);
    limit = limits[below(source, 8)];
    configure(source, &configuration);
    if (configuration.refinement_rounds > 0) configuration.refinement_rounds = (int64_t)take(source, 2) % 1100;
    lend(source, &clip);
    rows = -1;
    if (flashvid_output_token_count(&configuration, clip.frames, clip.tokens_per_frame, &rows, message, sizeof message) !=
        FLASHVID_OK)
        return;
    receive(source, &output, &configuration, &clip, rows);
    if (flashvid_compressor_create(&configuration, 1 + (int32_t)below(source, 3), &compressor, message, sizeof message) !=
        FLASHVID_OK)
        return;
    own.compressor = compressor;
    memset(&copy, 0xA5, sizeof copy);
    REQUIRE(flashvid_compressor_configuration(compressor, &copy, sizeof copy) == FLASHVID_OK);
    REQUIRE(memcmp(&copy, &configuration, sizeof copy) == 0);
    REQUIRE(flashvid_compressor_output_token_count(compressor, clip.frames, clip.tokens_per_frame, &count, NULL, 0) ==
                FLASHVID_OK &&
            count == rows);
    REQUIRE(flashvid_compressor_workspace_bytes(compressor, clip.frames, clip.tokens_per_frame, clip.channels, clip.type, &bytes,
                                                NULL, 0) == FLASHVID_OK &&
            bytes > 0);
    known(flashvid_compressor_workspace_bytes(compressor, odd_integer(source, 3), odd_integer(source, 5), odd_integer(source, 7),
                                              below(source, 8) ? clip.type : no_enum(source), &bytes, message, 9));
    REQUIRE(flashvid_compressor_cancel(compressor) == FLASHVID_OK);
    status = flashvid_compressor_set_time_limit(compressor, limit);
    REQUIRE(status == (limit >= 0 ? FLASHVID_OK : FLASHVID_INVALID_ARGUMENT));
    REQUIRE(flashvid_compressor_set_progress(compressor, below(source, 8) ? report : NULL, &own) == FLASHVID_OK);
    ends_calls = 1;
    if (below(source, 4)) {
        status = flashvid_compressor_compress(compressor, &clip, &output);
    } else {
        const flashvid_clip *const clips[] = {&clip};
        flashvid_output *const outputs[] = {&output};
        flashvid_status told = -9;
        status = flashvid_compressor_compress_batch(compressor, clips, outputs, 1, &told);
        REQUIRE(told == status);
    }
    if (succeeded(status))
        check(&output, &configuration, clip.frames, clip.tokens_per_frame);
    else
        REQUIRE(output.row_count == -7 && output.segment_count == -7 && output.first_frame == -7 && output.first_row == 0);
    ends_calls = 0;
    REQUIRE(flashvid_compressor_set_progress(compressor, NULL, NULL) == FLASHVID_OK);
    REQUIRE(flashvid_compressor_set_time_limit(compressor, 0) == FLASHVID_OK);
    REQUIRE(flashvid_compressor_cancel(compressor) == FLASHVID_OK);
    refill();
    status = flashvid_compressor_compress(compressor, &clip, &output);
    if (succeeded(status)) check(&output, &configuration, clip.frames, clip.tokens_per_frame);
    /* A text that would go into a struct, or a result that would. */
    copy = configuration;
    count = -7;
    known(flashvid_output_token_count(&copy, clip.frames, clip.tokens_per_frame, &count, (char *)&copy + below(source, 100),
                                      1 + (size_t)below(source, 9)));
    REQUIRE(memcmp(&copy, &configuration, sizeof copy) == 0 && count == -7);
    REQUIRE(flashvid_output_token_count(&copy, clip.frames, clip.tokens_per_frame, &copy.minimum_segments, message, 9) ==
                FLASHVID_OK &&
            copy.minimum_segments == rows);
    REQUIRE((below(source, 2) ? flashvid_compressor_close : flashvid_compressor_destroy)(compressor) == FLASHVID_OK);
}

/* The same clip some times over, and one that is spoilt: results do not depend on their neighbours. */
static void batch(input *source) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip, other;
    flashvid_output outputs[4];
    const flashvid_clip *clips[4];
    flashvid_output *given[4];
    flashvid_status statuses[4] = {-9, -9, -9, -9}, status;
    input format;
    int64_t rows, count, index;
    configure(source, &configuration);
    lend(source, &clip);
    rows = row_count(&configuration, &clip);
    if (rows < 0) return;
    count = 1 + below(source, 4);
    format = *source;
    for (index = 0; index < count; index += 1) {
        input same = format;
        receive(&same, outputs + index, &configuration, &clip, rows);
        clips[index] = &clip;
        given[index] = outputs + index;
        *source = same;
    }
    other = clip;
    if (flashvid_compressor_create(&configuration, 1 + (int32_t)below(source, 3), &compressor, message, sizeof message) !=
        FLASHVID_OK)
        return;
    index = below(source, count);
    switch (below(source, 8)) {
    case 0: clips[index] = NULL; break;
    case 1: given[index] = NULL; break;
    case 2: other.frames = 0; clips[index] = &other; break;
    case 3: outputs[index].row_capacity = -1; break;
    case 4: given[index] = given[0]; break;
    case 5: outputs[index].indices = outputs[0].parents; break;
    case 6: count = -below(source, 3); break;
    default: index = -1; break;
    }
    status = flashvid_compressor_compress_batch(compressor, clips, given, count, below(source, 8) ? statuses : NULL);
    known(status);
    if (index < 0 && status == FLASHVID_OK) {
        for (index = 0; index < count; index += 1) {
            check(outputs + index, &configuration, clip.frames, clip.tokens_per_frame);
            REQUIRE(outputs[index].row_count == outputs[0].row_count);
            REQUIRE(memcmp(outputs[index].indices, outputs[0].indices,
                           (size_t)(outputs[0].row_count * width_of(outputs[0].index_type))) == 0);
        }
    }
    if (status != FLASHVID_OK && count <= 1) untouched();
    flashvid_compressor_error(compressor, message, (size_t)below(source, 40));
    REQUIRE(flashvid_compressor_destroy(compressor) == FLASHVID_OK);
}

/* Hands out what waits; the frames of it, or below 0 where the segment could not be handed out. */
static int64_t drain(
    flashvid_stream *stream, flashvid_output *output, const flashvid_configuration *configuration, const flashvid_clip *clip,
    int64_t *next) {
    int64_t handed = 0;
    for (;;) {
        int64_t frames = -1;
        flashvid_status status;
        REQUIRE(flashvid_stream_segment_frames(stream, &frames) == FLASHVID_OK && frames >= 0 && frames <= clip->frames);
        refill();
        output->row_count = output->segment_count = output->first_frame = -7;
        status = flashvid_stream_next(stream, output);
        REQUIRE((status == FLASHVID_NO_SEGMENT) == (frames == 0));
        if (!succeeded(status)) return status == FLASHVID_NO_SEGMENT ? handed : -1;
        REQUIRE(output->segment_count == 1 && output->first_frame == *next);
        REQUIRE(configuration->maximum_segment_frames == 0 || frames <= configuration->maximum_segment_frames);
        check(output, configuration, frames, clip->tokens_per_frame);
        *next += frames;
        handed += frames;
    }
}

static void stream(input *source) {
    flashvid_configuration configuration;
    flashvid_stream *stream = NULL;
    flashvid_clip clip;
    flashvid_output output;
    int64_t rows, first = 0, next = 0, handed = 0;
    int videos;
    flashvid_status status;
    configure(source, &configuration);
    lend(source, &clip);
    /* Its memory is for so many frames. */
    if (configuration.maximum_segment_frames > 64 && configuration.maximum_segment_frames < INT64_MAX)
        configuration.maximum_segment_frames = 1 + configuration.maximum_segment_frames % 8;
    rows = row_count(&configuration, &clip);
    if (rows < 0) return;
    receive(source, &output, &configuration, &clip, rows);
    status = flashvid_stream_create(&configuration, clip.tokens_per_frame, clip.channels,
                                    below(source, 16) ? clip.type : no_enum(source), 1 + (int32_t)below(source, 2), &stream,
                                    message, sizeof message);
    if (!succeeded(status)) return;
    REQUIRE(configuration.target_rows == 0);
    for (videos = 0; videos < 2; videos += 1) {
        int faulty = 0;
        while (first < clip.frames) {
            const int64_t wrong = below(source, 16) ? first : odd_integer(source, clip.frames);
            int64_t taken = -7;
            status = flashvid_stream_push(stream, &clip, wrong, &taken);
            known(status);
            REQUIRE(taken >= 0 && (wrong < 0 || wrong >= clip.frames || taken <= clip.frames - wrong));
            if (wrong != first) {
                /* Other frames than were meant are frames as well. */
                REQUIRE(status == FLASHVID_OK || status != FLASHVID_SEGMENT_PENDING);
                if (status != FLASHVID_OK) REQUIRE(wrong < 0 || wrong >= clip.frames || taken < clip.frames - wrong);
                faulty = 1;
            } else if (status != FLASHVID_OK) {
                faulty = 1;
            }
            first += taken > 0 ? taken : 1;
            if (drain(stream, &output, &configuration, &clip, &next) < 0) faulty = 1;
            if (faulty) break;
        }
        if (!faulty) {
            handed = next;
            if (below(source, 4) == 0) {
                /* After the end. */
                int64_t taken = -7;
                REQUIRE(flashvid_stream_finish(stream) == FLASHVID_OK);
                status = flashvid_stream_push(stream, &clip, 0, &taken);
                REQUIRE(status == FLASHVID_FINISHED || status == FLASHVID_SEGMENT_PENDING);
                REQUIRE(taken == 0);
            }
            REQUIRE(flashvid_stream_finish(stream) == FLASHVID_OK);
            handed = drain(stream, &output, &configuration, &clip, &next);
            REQUIRE(handed < 0 || next == clip.frames);
        }
        flashvid_stream_error(stream, message, (size_t)below(source, 40));
        REQUIRE(flashvid_stream_reset(stream) == FLASHVID_OK);
        first = next = 0;
    }
    REQUIRE(flashvid_stream_destroy(stream) == FLASHVID_OK);
}

static void prune(input *source) {
    const flashvid_scalar type = (flashvid_scalar)below(source, 3);
    const flashvid_index index_type = (flashvid_index)below(source, 2);
    const int64_t tokens = 1 + below(source, 40), stride = 1 + below(source, 3);
    const double ratio = odd(source, 0.3);
    int64_t wanted = -7, count = -7, place;
    void *attention = tensor(source, (tokens - 1) * stride + 1, type, 1), *kept;
    if (flashvid_pruned_count(tokens, ratio, &wanted, message, sizeof message) != FLASHVID_OK) {
        REQUIRE(wanted == -7);
        wanted = tokens;
    }
    REQUIRE(wanted >= 0 && wanted <= tokens);
    kept = room(wanted * width_of(index_type));
    if (succeeded(flashvid_prune(attention, type, tokens, stride, ratio, kept, index_type, wanted, &count, message,
                                 sizeof message))) {
        REQUIRE(count == wanted);
        for (place = 0; place < count; place += 1) {
            REQUIRE(integer(kept, index_type, place) >= 0 && integer(kept, index_type, place) < tokens);
            REQUIRE(place == 0 || integer(kept, index_type, place - 1) < integer(kept, index_type, place));
        }
    } else {
        REQUIRE(count == -7);
    }
    refill();
    count = -7;
    switch (below(source, 7)) {
    case 0: REQUIRE(!succeeded(flashvid_prune(attention, type, no_size(source), stride, ratio, kept, index_type, wanted, &count, message, 9))); break;
    case 1: succeeded(flashvid_prune(attention, type, tokens, stride, ratio, kept, index_type, less(source, wanted), &count, message, 9)); break;
    case 2: REQUIRE(!succeeded(flashvid_prune(attention, no_enum(source), tokens, stride, ratio, kept, index_type, wanted, &count, message, 9))); break;
    case 3: REQUIRE(!succeeded(flashvid_prune(attention, type, tokens, stride, ratio, kept, no_enum(source), wanted, &count, message, 9))); break;
    case 4: REQUIRE(!succeeded(flashvid_prune(NULL, type, tokens, stride, ratio, kept, index_type, wanted, &count, message, 9))); break;
    case 5: REQUIRE(!succeeded(flashvid_prune((char *)attention + 1, type, tokens, stride, ratio, kept, index_type, wanted, &count, message, 9))); break;
    default: if (wanted > 0) REQUIRE(!succeeded(flashvid_prune(attention, type, tokens, stride, ratio, attention, index_type, wanted, &count, message, 9)));
    }
}

/* --------------------------------------------------------------------------------------------------------- Attention */

static void encoder_scores(input *source) {
    flashvid_encoder_attention given;
    flashvid_scorer *const scorer = scorers[below(source, 2)];
    int64_t gap, query_numbers, key_numbers, frame, column, columns, capacity;
    float *scores;
    int tokens_first, spoilt;
    memset(&given, 0, sizeof given);
    given.struct_size = sizeof given;
    given.query_type = (flashvid_scalar)below(source, 3);
    given.key_type = (flashvid_scalar)below(source, 3);
    given.frames = 1 + below(source, 3);
    given.heads = 1 + below(source, 3);
    given.tokens = 1 + below(source, below(source, 8) ? 10 : 80);
    given.width = 1 + below(source, 9);
    gap = below(source, 3);
    tokens_first = (int)below(source, 2);
    query_numbers = key_numbers = given.frames * given.heads * given.tokens * given.width;
    if (tokens_first) {
        given.key_head_stride = given.width;
        given.key_token_stride = given.heads * given.width;
        given.key_frame_stride = given.tokens * given.heads * given.width;
    }
    if (gap) {
        given.query_token_stride = given.width + gap;
        given.query_head_stride = given.tokens * given.query_token_stride;
        given.query_frame_stride = given.heads * given.query_head_stride;
        query_numbers = (given.frames * given.heads * given.tokens - 1) * (given.width + gap) + given.width;
    }
    given.scale = odd(source, 0);
    given.skipped_tokens = below(source, 3) ? 0 : below(source, given.tokens);
    given.single_query = (int32_t)(below(source, 3) == 0);
    given.query = below(source, given.tokens);
    given.queries = tensor(source, query_numbers, given.query_type, 0);
    given.keys = tensor(source, key_numbers, given.key_type, 0);
    columns = given.tokens - given.skipped_tokens;
    capacity = given.frames * columns;
    scores = (float *)room(capacity * 4);
    spoilt = spoils(source) % 18;
    switch (spoilt) {
    case 1: given.queries = NULL; break;
    case 2: given.keys = NULL; break;
    case 3: given.frames = no_size(source); break;
    case 4: given.heads = no_size(source); break;
    case 5: given.tokens = below(source, 2) ? no_size(source) : (int64_t)1 << 31; break;
    case 6: given.width = below(source, 2) ? no_size(source) : (int64_t)1 << 31; break;
    case 7: given.query_type = no_enum(source); break;
    case 8: given.key_type = no_enum(source); break;
    case 9: capacity = less(source, capacity); spoilt = 0; break;
    case 10: scores = (float *)(uintptr_t)given.keys; break;
    case 11: scores = (float *)(uintptr_t)given.queries; break;
    case 12: given.queries = (const char *)given.queries + 1; break;
    case 13: given.skipped_tokens = below(source, 2) ? -1 : given.tokens + below(source, 9); break;
    case 14: given.struct_size = (size_t)below(source, 64); break;
    case 15: given.reserved = 1 + (int32_t)take(source, 3); break;
    case 16: given.single_query = 2 + (int32_t)take(source, 3); break;
    case 17: given.query = below(source, 2) ? -1 : given.tokens; given.single_query = 1; break;
    default: break;
    }
    if (!succeeded(flashvid_scorer_scores(scorer, &given, scores, capacity))) {
        REQUIRE(flashvid_scorer_error(scorer, message, (size_t)below(source, 40)) > 0);
        return;
    }
    REQUIRE(spoilt == 0);
    for (frame = 0; frame < given.frames; frame += 1) {
        double total = 0;
        for (column = 0; column < columns; column += 1) {
            const float score = scores[frame * columns + column];
            REQUIRE(score >= 0 && score <= 1.0001f);
            total += score;
        }
        REQUIRE(total <= 1.0001 && (given.skipped_tokens > 0 || total >= 0.9999));
    }
}

static void decoder_scores(input *source) {
    flashvid_decoder_attention given;
    flashvid_scorer *const scorer = scorers[below(source, 2)];
    int64_t query_numbers, key_numbers, capacity, place;
    float *scores;
    double total = 0;
    int spoilt;
    memset(&given, 0, sizeof given);
    given.struct_size = sizeof given;
    given.query_type = (flashvid_scalar)below(source, 3);
    given.key_type = (flashvid_scalar)below(source, 3);
    given.index_type = (flashvid_index)below(source, 2);
    given.key_heads = 1 + below(source, 3);
    given.heads = given.key_heads * (1 + below(source, 3));
    given.key_count = 1 + below(source, 12);
    if (below(source, 8) == 0) given.key_count *= 53;
    given.width = 1 + below(source, 9);
    query_numbers = given.heads * given.width;
    key_numbers = given.key_heads * given.key_count * given.width;
    if (below(source, 2)) {
        given.key_head_stride = given.width;
        given.key_token_stride = given.key_heads * given.width;
    }
    if (below(source, 4) == 0) {
        given.query_head_stride = given.width + 3;
        query_numbers = (given.heads - 1) * given.query_head_stride + given.width;
    }
    given.scale = odd(source, 0);
    given.query = tensor(source, query_numbers, given.query_type, 0);
    given.keys = tensor(source, key_numbers, given.key_type, 0);
    capacity = given.key_count;
    if (below(source, 2)) {
        given.place_count = below(source, 9);
        given.places = list(source, given.index_type, given.place_count, given.key_count, 0);
        capacity = given.place_count;
    }
    scores = (float *)room(capacity * 4);
    spoilt = spoils(source) % 16;
    switch (spoilt) {
    case 1: given.query = NULL; break;
    case 2: given.keys = NULL; break;
    case 3: given.heads = given.heads * given.key_heads + 1; if (given.key_heads == 1) given.heads = 0; break;
    case 4: given.key_heads = no_size(source); break;
    case 5: given.key_count = below(source, 2) ? no_size(source) : (int64_t)1 << 31; break;
    case 6: given.width = below(source, 2) ? no_size(source) : (int64_t)1 << 31; break;
    case 7: given.query_type = no_enum(source); break;
    case 8: given.key_type = no_enum(source); break;
    case 9: given.index_type = no_enum(source); break;
    case 10: capacity = less(source, capacity); spoilt = 0; break;
    case 11: if (capacity > 0) scores = (float *)(uintptr_t)given.keys; else spoilt = 0; break;
    case 12: given.keys = (const char *)given.keys + 1; break;
    case 13: given.place_count = -1 - below(source, 200); break;
    case 14: given.struct_size = (size_t)below(source, 64); break;
    case 15: given.key_token_stride = -1 - below(source, 200); if (given.key_count == 1) spoilt = 0; break;
    default: break;
    }
    if (!succeeded(flashvid_scorer_last_query(scorer, &given, scores, capacity))) {
        REQUIRE(flashvid_scorer_error(scorer, message, (size_t)below(source, 40)) > 0);
        return;
    }
    REQUIRE(spoilt == 0);
    for (place = 0; place < (given.places ? given.place_count : given.key_count); place += 1) {
        REQUIRE(scores[place] >= 0 && scores[place] <= 1.0001f);
        total += scores[place];
    }
    REQUIRE(given.places != NULL || fabs(total - 1) <= 1e-4);
}

/* ------------------------------------------------------------------------------------------------- Pooling, patches */

static void pool(input *source) {
    flashvid_clip clip;
    const int64_t side = 1 + below(source, 5);
    flashvid_pooling pooling = (flashvid_pooling)below(source, 3);
    int64_t pooled = -7, capacity, numbers, gap, index;
    int32_t threads = (int32_t)below(source, 4);
    float *features = NULL, *attention = NULL;
    int spoilt;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.type = (flashvid_scalar)below(source, 3);
    clip.attention_type = (flashvid_scalar)below(source, 3);
    clip.frames = 1 + below(source, 4);
    clip.tokens_per_frame = side * side;
    clip.channels = 1 + below(source, 11);
    gap = below(source, 3);
    clip.token_stride = gap ? clip.channels + gap : 0;
    numbers = (clip.frames * side * side - 1) * (clip.channels + gap) + clip.channels;
    clip.features = tensor(source, numbers, clip.type, 0);
    clip.attention = tensor(source, clip.frames * side * side, clip.attention_type, 1);
    if (flashvid_pooled_tokens(pooling, side * side, &pooled, message, sizeof message) != FLASHVID_OK) {
        REQUIRE(pooled == -7 && side == 1 && pooling != FLASHVID_POOLING_BILINEAR);
        pooled = 1;
    }
    REQUIRE(flashvid_pooled_tokens(pooling, side * side + 1 + below(source, side), &index, NULL, 0) == FLASHVID_INVALID_SHAPE ||
            side == 1);
    capacity = clip.frames * pooled;
    if (below(source, 8)) features = (float *)room(capacity * clip.channels * 4);
    if (below(source, 4)) attention = (float *)room(capacity * 4);
    spoilt = spoils(source) % 14;
    switch (spoilt) {
    case 1: clip.features = NULL; break;
    case 2: clip.attention = NULL; if (attention == NULL) spoilt = 0; break;
    case 3: clip.frames = no_size(source); break;
    case 4: clip.tokens_per_frame = no_size(source); break;
    case 5: clip.channels = below(source, 2) ? no_size(source) : (int64_t)1 << 31; break;
    case 6: clip.type = no_enum(source); break;
    case 7: clip.attention_type = no_enum(source); break;
    case 8: pooling = no_enum(source); break;
    case 9: capacity = less(source, capacity); spoilt = 0; break;
    case 10: features = (float *)(uintptr_t)clip.features; break;
    case 11: attention = (float *)(uintptr_t)clip.features; break;
    case 12: threads = below(source, 2) ? 65 : -1; break;
    case 13: clip.attention = (const char *)clip.attention + 1; break;
    default: break;
    }
    if (!succeeded(flashvid_pool(&clip, pooling, features, attention, capacity, threads, message, sizeof message))) return;
    REQUIRE(spoilt == 0);
    for (index = 0; features && index < clip.frames * pooled * clip.channels; index += 1) REQUIRE(isfinite(features[index]));
    for (index = 0; attention && index < clip.frames * pooled; index += 1) REQUIRE(isfinite(attention[index]));
}

/* The same to any type; what is given for float32 is what the plain function gives. */
static void pool_typed(input *source) {
    flashvid_clip clip;
    const int64_t side = 1 + below(source, 5);
    const flashvid_pooling pooling = (flashvid_pooling)below(source, 3);
    flashvid_scalar feature_type = (flashvid_scalar)below(source, 3), attention_type = (flashvid_scalar)below(source, 3);
    int64_t pooled = -7, capacity, numbers, index;
    void *features, *attention;
    int spoilt;
    flashvid_status status;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.type = (flashvid_scalar)below(source, 3);
    clip.frames = 1 + below(source, 4);
    clip.tokens_per_frame = side * side;
    clip.channels = 1 + below(source, 11);
    numbers = clip.frames * side * side * clip.channels;
    clip.features = tensor(source, numbers, clip.type, 0);
    clip.attention = tensor(source, clip.frames * side * side, FLASHVID_FLOAT32, 1);
    if (flashvid_pooled_tokens(pooling, side * side, &pooled, message, sizeof message) != FLASHVID_OK) return;
    capacity = clip.frames * pooled;
    features = room(capacity * clip.channels * size_of(feature_type));
    attention = room(capacity * size_of(attention_type));
    spoilt = spoils(source) % 8;
    switch (spoilt) {
    case 1: capacity = less(source, capacity); spoilt = 0; break;
    case 2: feature_type = no_enum(source); break;
    case 3: attention_type = no_enum(source); break;
    case 4: features = (char *)features + 1; break;
    case 5: attention = (void *)(uintptr_t)clip.features; break;
    case 6: features = &clip; break;
    case 7: features = attention = NULL; break;
    default: break;
    }
    status = flashvid_pool_typed(&clip, pooling, features, feature_type, attention, attention_type, capacity,
                                 (int32_t)below(source, 3), message, sizeof message);
    if (!succeeded(status)) return;
    REQUIRE(spoilt == 0);
    for (index = 0; index < capacity * clip.channels; index += 1)
        REQUIRE(feature_type == FLASHVID_FLOAT32   ? isfinite(((float *)features)[index])
                : feature_type == FLASHVID_FLOAT16 ? (((uint16_t *)features)[index] & 0x7C00) != 0x7C00
                                                   : (((uint16_t *)features)[index] & 0x7F80) != 0x7F80);
    if (feature_type == FLASHVID_FLOAT32) {
        const float *const plain = (const float *)room(capacity * clip.channels * 4);
        REQUIRE(flashvid_pool(&clip, pooling, (float *)(uintptr_t)plain, NULL, capacity, 1, NULL, 0) == FLASHVID_OK);
        REQUIRE(memcmp(plain, features, (size_t)(capacity * clip.channels * 4)) == 0);
    }
}

static void patches(input *source) {
    flashvid_patch_grid grid;
    const flashvid_index type = (flashvid_index)below(source, 2);
    const flashvid_scalar scalar = (flashvid_scalar)below(source, 3);
    const int64_t frames = 1 + below(source, 3);
    int64_t tokens, count = -7, index, merge, numbers;
    void *reading, *order, *attention;
    float *scores;
    int spoilt;
    REQUIRE(flashvid_patch_grid_preset(&grid, sizeof grid, below(source, 2) ? FLASHVID_QWEN25_VL : FLASHVID_QWEN3_VL, 2, 2) ==
            FLASHVID_OK);
    merge = grid.merge_size = 1 + below(source, 3);
    grid.rows = merge * (1 + below(source, 7));
    grid.columns = merge * (1 + below(source, 7));
    grid.window_pixels = odd_integer(source, below(source, 200));
    grid.patch_pixels = odd_integer(source, 1 + below(source, 40));
    tokens = grid.rows * grid.columns / merge / merge;
    numbers = frames * grid.rows * grid.columns;
    reading = room(tokens * width_of(type));
    order = room(tokens * width_of(type));
    scores = (float *)room(frames * tokens * 4);
    attention = tensor(source, numbers, scalar, 1);
    spoilt = spoils(source) % 5;
    switch (spoilt) {
    case 1: grid.rows = no_size(source); break;
    case 2: grid.columns = below(source, 2) ? no_size(source) : (int64_t)1 << 25; break;
    case 3: grid.merge_size = below(source, 2) ? no_size(source) : grid.rows + 1; break;
    case 4: grid.struct_size = (size_t)below(source, 48); break;
    default: break;
    }
    if (succeeded(flashvid_patch_grid_reading_order(&grid, reading, type, tokens, &count, message, sizeof message))) {
        REQUIRE(spoilt == 0 && count == tokens);
        REQUIRE(flashvid_patch_grid_encoder_order(&grid, order, type, tokens, &count, message, sizeof message) == FLASHVID_OK);
        for (index = 0; index < tokens; index += 1) {
            const int64_t place = integer(reading, type, index);
            REQUIRE(place >= 0 && place < tokens && integer(order, type, place) == index);
        }
        REQUIRE(flashvid_patch_grid_encoder_order(&grid, order, type, tokens - 1 - below(source, 9), &count, message, 3) ==
                FLASHVID_BUFFER_TOO_SMALL);
    }
    refill();
    if (succeeded(flashvid_patch_grid_attention(&grid, attention, scalar, frames, scores, frames * tokens, message,
                                                sizeof message))) {
        REQUIRE(spoilt == 0);
        for (index = 0; index < frames * tokens; index += 1) REQUIRE(isfinite(scores[index]));
    }
    refill();
    switch (below(source, 5)) {
    case 0: REQUIRE(!succeeded(flashvid_patch_grid_attention(&grid, attention, scalar, no_size(source), scores, frames * tokens, message, 9))); break;
    case 1: succeeded(flashvid_patch_grid_attention(&grid, attention, scalar, frames, scores, less(source, frames * tokens), message, 9)); break;
    case 2: REQUIRE(!succeeded(flashvid_patch_grid_attention(&grid, attention, no_enum(source), frames, scores, frames * tokens, message, 9))); break;
    case 3: REQUIRE(!succeeded(flashvid_patch_grid_attention(&grid, attention, scalar, frames, (float *)attention, frames * tokens, message, 9))); break;
    default: REQUIRE(!succeeded(flashvid_patch_grid_attention(&grid, (char *)attention + 1, scalar, frames, scores, frames * tokens, message, 9))); break;
    }
}

static void groups(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    const flashvid_scalar scalar = (flashvid_scalar)below(source, 3);
    int64_t frames = 1 + below(source, 3), group = 1 + below(source, 5), count = 1 + below(source, 7), patches = group * count;
    int64_t capacity = frames * count, order_count = 0, index;
    void *attention = tensor(source, frames * patches, scalar, 1), *order = NULL;
    float *scores = (float *)room(capacity * 4);
    flashvid_index index_type = type;
    int spoilt;
    if (below(source, 3)) {
        order_count = below(source, 2) ? count : capacity;
        order = list(source, type, order_count, order_count, 0);
        /* Mostly one that names everything once. */
        if (below(source, 4)) {
            const int64_t turn = below(source, order_count);
            for (index = 0; index < order_count; index += 1) set(order, type, index, (index + turn) % order_count);
        }
    }
    spoilt = spoils(source) % 9;
    switch (spoilt) {
    case 1: frames = no_size(source); break;
    case 2: patches = patches + (group > 1 ? 1 : -patches); break;
    case 3: group = no_size(source); break;
    case 4: index_type = no_enum(source); break;
    case 5: order_count = -1 - below(source, 99); break;
    case 6: capacity = less(source, capacity); spoilt = 0; break;
    case 7: scores = (float *)attention; break;
    case 8: order = NULL; order_count = 1 + below(source, 99); break;
    default: break;
    }
    if (!succeeded(flashvid_group_attention(attention, scalar, frames, patches, group, order, index_type, order_count, scores,
                                            capacity, message, sizeof message)))
        return;
    REQUIRE(spoilt == 0);
    for (index = 0; index < frames * count; index += 1) REQUIRE(isfinite(scores[index]));
}

/* --------------------------------------------------------------------------------------------------------- Gathering */

static unsigned char *noise(input *source, int64_t bytes) {
    unsigned char *const memory = (unsigned char *)give(bytes);
    const unsigned char start = (unsigned char)take(source, 1);
    int64_t index;
    for (index = 0; index < bytes; index += 1) memory[index] = (unsigned char)(start + 7 * index);
    return memory;
}

static void gather(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    const int of_pairs = (int)below(source, 2);
    const int64_t planes = 1 + below(source, 3), length = below(source, 9), count = below(source, 9), size = 1 + below(source, 9);
    const int64_t read = of_pairs ? length * length : length, written = of_pairs ? count * count : count;
    const unsigned char *const values = noise(source, planes * read * size);
    void *const indices = list(source, type, count, length, 0);
    unsigned char *gathered = (unsigned char *)room(planes * written * size);
    int64_t given_planes = planes, given_length = length, given_count = count, capacity = planes * written, plane, place;
    size_t given_size = (size_t)size;
    flashvid_index given_type = type;
    const void *given_indices = indices;
    int spoilt = spoils(source) % 9;
    flashvid_status status;
    switch (spoilt) {
    case 1: given_planes = no_size(source); if (written == 0 || read == 0) spoilt = 0; break;
    case 2: given_length = -1 - below(source, 200); break;
    case 3: given_count = -1 - below(source, 200); break;
    case 4: given_size = below(source, 2) ? 0 : (size_t)-1 - (size_t)below(source, 200); break;
    case 5: given_type = no_enum(source); break;
    case 6: capacity = less(source, capacity); spoilt = 0; break;
    case 7: if (read > 0 && written > 0) gathered = (unsigned char *)(uintptr_t)values; else spoilt = 0; break;
    case 8: given_indices = (const char *)indices + 1; break;
    default: break;
    }
    if (spoilt == 0 && given_planes != planes) {
        /* Planes of nothing can be any number, and are none below 1. */
        if (given_planes > 0 && written > 0) given_planes = planes;
    }
    status = of_pairs ? flashvid_gather_pairs(values, given_planes, given_length, given_size, given_indices, given_type,
                                              given_count, gathered, capacity, message, sizeof message)
                      : flashvid_gather(values, given_planes, given_length, given_size, given_indices, given_type, given_count,
                                        gathered, capacity, message, sizeof message);
    if (!succeeded(status)) return;
    REQUIRE(spoilt == 0);
    for (plane = 0; written > 0 && plane < planes; plane += 1) {
        for (place = 0; place < written; place += 1) {
            const int64_t row = of_pairs ? integer(indices, type, place / count) * length + integer(indices, type, place % count)
                                         : integer(indices, type, place);
            REQUIRE(memcmp(gathered + (plane * written + place) * size, values + (plane * read + row) * size, (size_t)size) == 0);
        }
    }
}

/* Strides of planes and rows, in either order, with gaps that stay as they are; now and then wild ones. */
static void strided(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    const int64_t planes = 1 + below(source, 4), length = 1 + below(source, 9), count = below(source, 9), size = 1 + below(source, 9);
    const int rows_first = (int)below(source, 2), target_rows_first = (int)below(source, 2);
    const int64_t row_gap = below(source, 3), plane_gap = below(source, 3);
    int64_t row = rows_first ? planes * (size + plane_gap) + row_gap : size + row_gap;
    int64_t plane = rows_first ? size + plane_gap : length * (size + row_gap) + plane_gap;
    int64_t target_row = target_rows_first ? planes * (size + row_gap) + plane_gap : size + plane_gap;
    int64_t target_plane = target_rows_first ? size + row_gap : count * (size + plane_gap) + row_gap;
    const int64_t read = (planes - 1) * plane + (length - 1) * row + size;
    const int64_t written = count > 0 ? (planes - 1) * target_plane + (count - 1) * target_row + size : 0;
    unsigned char *const values = (unsigned char *)give(read), *gathered;
    const void *const indices = list(source, type, count, length, 0);
    int64_t place, at, given_planes = planes;
    size_t room_bytes = (size_t)written, given_size = (size_t)size;
    flashvid_index given_type = type;
    int spoilt;
    for (at = 0; at < read; at += 1) values[at] = (unsigned char)take(source, 1);
    gathered = (unsigned char *)room(written);
    spoilt = spoils(source) % 9;
    switch (spoilt) {
    case 1: if (written > 0) room_bytes = (size_t)below(source, written); else spoilt = 0; break;
    case 2: given_planes = no_size(source); if (count == 0) spoilt = 0; break;
    case 3: given_size = below(source, 2) ? 0 : (size_t)-1 - (size_t)below(source, 200); break;
    case 4: given_type = no_enum(source); break;
    case 5: row = below(source, 2) ? -1 - below(source, 200) : INT64_MAX; if (length == 1) spoilt = 0; break;
    case 6: plane = below(source, 2) ? -1 - below(source, 200) : INT64_MAX; if (planes == 1) spoilt = 0; break;
    case 7: target_row = -1 - below(source, 200); if (count <= 1) spoilt = 0; break;
    case 8: if (written > 0) gathered = values; else spoilt = 0; break;
    default: break;
    }
    if (spoilt == 2 && given_planes > 0) given_planes = INT64_MAX;
    if (!succeeded(flashvid_gather_strided(values, given_planes, length, given_size, plane, row, indices, given_type, count, gathered,
                                           room_bytes, target_plane, target_row, message, sizeof message)))
        return;
    REQUIRE(spoilt == 0);
    if (given_planes != planes) return;
    /* Every byte: of a row, or as it was. */
    for (at = 0; at < written; at += 1) {
        int64_t which, found = -1;
        for (which = 0; which < planes && found < 0; which += 1) {
            for (place = 0; place < count && found < 0; place += 1) {
                const int64_t offset = at - which * (planes > 1 ? target_plane : 0) - place * (count > 1 ? target_row : 0);
                if (offset >= 0 && offset < size)
                    found = values[which * (planes > 1 ? plane : 0) + integer(indices, type, place) * (length > 1 ? row : 0) + offset];
            }
        }
        REQUIRE(gathered[at] == (found < 0 ? 0xA5 : found));
    }
}

/* Names of structs, of fields, and of nothing. */
static void layouts(input *source) {
    static const char *const names[] = {"flashvid_configuration", "flashvid_clip", "flashvid_output", "flashvid_statistics",
                                        "flashvid_encoder_attention", "flashvid_decoder_attention", "flashvid_patch_grid",
                                        "flashvid_prompt", "flashvid_kept_prompt", "flashvid_context_budget",
                                        "flashvid_host_model", "flashvid_plan_row", "struct_size", ""};
    const char *name = names[below(source, 14)], *field = NULL;
    char wild[16];
    size_t offset = 7, size = 7, index;
    int64_t number = odd_integer(source, below(source, 30) - 2);
    flashvid_status status;
    if (below(source, 4) == 0) {
        for (index = 0; index < sizeof wild - 1; index += 1) wild[index] = (char)take(source, 1);
        wild[sizeof wild - 1] = 0;
        name = wild;
    }
    status = flashvid_struct_field(name, number, &field, &offset, &size);
    known(status);
    if (status != FLASHVID_OK) {
        REQUIRE(field == NULL && offset == 7 && size == 7);
        return;
    }
    REQUIRE(number >= -1 && size > 0 && field[0] != 0 && (number > 0 || offset == 0));
    REQUIRE(number >= 0 || strcmp(field, name) == 0);
    REQUIRE(number != 0 || strcmp(field, "struct_size") == 0);
}

/* Bytes of workspace of a scorer, of sizes of any kind, and scores that are ended somewhere. */
static void scorer_control(input *source) {
    flashvid_encoder_attention given;
    flashvid_decoder_attention last;
    flashvid_scorer *const scorer = scorers[below(source, 2)];
    reporter own;
    int64_t bytes = -7, numbers;
    float *scores;
    flashvid_status status;
    memset(&given, 0, sizeof given);
    given.struct_size = sizeof given;
    given.query_type = (flashvid_scalar)below(source, 3);
    given.key_type = (flashvid_scalar)below(source, 3);
    given.frames = odd_integer(source, 2);
    given.heads = odd_integer(source, 3);
    given.tokens = odd_integer(source, 20);
    given.width = odd_integer(source, 5);
    given.key_token_stride = odd_integer(source, 0);
    memset(&last, 0, sizeof last);
    last.struct_size = sizeof last;
    last.heads = odd_integer(source, 4);
    last.key_heads = odd_integer(source, 2);
    last.key_count = odd_integer(source, 9);
    last.width = odd_integer(source, 3);
    status = flashvid_scorer_workspace_bytes(scorer, below(source, 4) ? &given : NULL, below(source, 2) ? &last : NULL, &bytes,
                                             message, sizeof message);
    known(status);
    REQUIRE(status == FLASHVID_OK ? bytes > 0 : bytes == -7);
    given.frames = 1 + below(source, 3);
    given.heads = 1 + below(source, 3);
    given.tokens = 1 + below(source, 9);
    given.width = 1 + below(source, 5);
    given.key_token_stride = 0;
    numbers = given.frames * given.heads * given.tokens * given.width;
    given.queries = tensor(source, numbers, given.query_type, 0);
    given.keys = tensor(source, numbers, given.key_type, 0);
    scores = (float *)room(given.frames * given.tokens * 4);
    memset(&own, 0, sizeof own);
    own.last = below(source, 12);
    own.by_cancel = (int)below(source, 2);
    own.scorer = scorer;
    REQUIRE(flashvid_scorer_set_time_limit(scorer, below(source, 8) ? 0 : 1e-9) == FLASHVID_OK);
    REQUIRE(flashvid_scorer_set_progress(scorer, report, &own) == FLASHVID_OK);
    ends_calls = 1;
    succeeded(flashvid_scorer_scores(scorer, &given, scores, given.frames * given.tokens));
    ends_calls = 0;
    REQUIRE(flashvid_scorer_set_progress(scorer, NULL, NULL) == FLASHVID_OK);
    REQUIRE(flashvid_scorer_set_time_limit(scorer, 0) == FLASHVID_OK);
    refill();
    succeeded(flashvid_scorer_scores(scorer, &given, scores, given.frames * given.tokens));
}

static void embeddings(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    const int64_t count = below(source, 9), text_count = below(source, 9), row_count = below(source, 9), size = 1 + below(source, 9);
    const unsigned char *const text = noise(source, text_count * size);
    const unsigned char *const tokens = noise(source, row_count * size);
    void *const rows = list(source, type, count, row_count, 0);
    void *const positions = below(source, 4) ? list(source, type, count, text_count, 0) : NULL;
    unsigned char *target = (unsigned char *)room(count * size);
    int64_t capacity = count, place;
    size_t given_size = (size_t)size;
    int spoilt = spoils(source) % 5;
    for (place = 0; place < count; place += 1)
        if (below(source, 3) == 0) set(rows, type, place, -1);
    switch (spoilt) {
    case 1: capacity = less(source, capacity); spoilt = 0; break;
    case 2: given_size = below(source, 2) ? 0 : (size_t)-1 - (size_t)below(source, 200); break;
    case 3: if (count > 0 && row_count > 0) target = (unsigned char *)(uintptr_t)tokens; else spoilt = 0; break;
    case 4: if (count > 0 && text_count > 0) target = (unsigned char *)(uintptr_t)text; else spoilt = 0; break;
    default: break;
    }
    if (!succeeded(flashvid_prompt_embeddings(rows, positions, type, count, text, text_count, tokens, row_count, given_size,
                                              target, capacity, message, sizeof message)))
        return;
    REQUIRE(spoilt == 0);
    for (place = 0; place < count; place += 1) {
        const int64_t row = integer(rows, type, place);
        const unsigned char *const from =
            row < 0 ? text + (positions ? integer(positions, type, place) : 0) * size : tokens + row * size;
        REQUIRE(memcmp(target + place * size, from, (size_t)size) == 0);
    }
}

/* ------------------------------------------------------------------------------------------------------------ Prompt */

/* A prompt, what is kept of it, and what of that after pruning. */
static void prompt(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    const int64_t integers = width_of(type);
    flashvid_prompt given;
    flashvid_kept_prompt kept;
    int64_t video, row_count, count = -7, index, next = 0, places = -7, kept_count, wanted;
    void *indices, *tokens_kept, *pruned;
    int spoilt;
    REQUIRE(flashvid_prompt_preset(&given, sizeof given, (flashvid_model)below(source, 4)) == FLASHVID_OK);
    given.frames = 1 + below(source, 4);
    given.tokens_per_frame = 1 + below(source, 7);
    video = given.frames * given.tokens_per_frame;
    given.length = video + below(source, 20);
    given.video_start = odd_integer(source, below(source, 8));
    given.newlines = (flashvid_newlines)below(source, 4);
    given.newline_columns = odd_integer(source, 1 + below(source, 4));
    given.video_token = 3;
    switch (below(source, 4)) {
    case 0:
        given.frame_starts = (const int64_t *)list(source, FLASHVID_INT64, given.frames, given.length, 1);
        for (index = 0; index < given.frames && below(source, 8); index += 1)
            ((int64_t *)(uintptr_t)given.frame_starts)[index] = index * (given.length / given.frames);
        if (below(source, 8)) given.newlines = FLASHVID_NEWLINES_NONE;
        break;
    case 1:
        given.tokens = (const int32_t *)give(given.length * 4);
        for (index = 0; index < given.length; index += 1)
            ((int32_t *)(uintptr_t)given.tokens)[index] = index < video || below(source, 40) == 0 ? 3 : 5;
        if (below(source, 8)) given.newlines = FLASHVID_NEWLINES_NONE;
        break;
    default: break;
    }
    row_count = below(source, video + given.frames + 2);
    indices = list(source, type, row_count, video, 1);
    spoilt = spoils(source) % 6;
    switch (spoilt) {
    case 1: given.length = below(source, 2) ? (int64_t)1 << 25 : -1 - below(source, 99); break;
    case 2: given.frames = no_size(source); break;
    case 3: given.tokens_per_frame = no_size(source); break;
    case 4: given.newlines = no_enum(source); break;
    case 5: given.struct_size = (size_t)below(source, 40); break;
    default: break;
    }
    if (!succeeded(flashvid_prompt_count(&given, row_count, &count, message, sizeof message))) {
        REQUIRE(count == -7);
        count = 4;
    } else {
        REQUIRE(spoilt == 0 && count >= row_count && count <= given.length - video + row_count);
    }
    memset(&kept, 0, sizeof kept);
    kept.struct_size = sizeof kept;
    kept.positions = room(count * integers);
    kept.rows = room(count * integers);
    if (below(source, 2)) kept.renumbered = room(count * integers);
    if (below(source, 2)) kept.visual_places = room(row_count * integers);
    kept.capacity = count;
    kept.first_position = odd_integer(source, 11);
    kept.count = -7;
    switch (spoils(source) % 7) {
    case 1: kept.capacity = less(source, count); break;
    case 2: kept.positions = NULL; break;
    case 3: if (count > 0) kept.rows = kept.positions; break;
    case 4: if (row_count > 0 && count > 0) kept.rows = indices; break;
    case 5: kept.renumbered = (char *)kept.positions + 1; break;
    case 6: kept.struct_size = (size_t)below(source, 64); break;
    default: break;
    }
    if (!succeeded(flashvid_prompt_keep(&given, indices, type, row_count, &kept, message, sizeof message))) {
        REQUIRE(kept.count == -7);
        return;
    }
    REQUIRE(spoilt == 0 && kept.count == count);
    for (index = 0; index < count; index += 1) {
        const int64_t position = integer(kept.positions, type, index), row = integer(kept.rows, type, index);
        REQUIRE(position >= 0 && position < given.length);
        REQUIRE(index == 0 || integer(kept.positions, type, index - 1) <= position);
        REQUIRE(row == -1 || row == next);
        if (row >= 0) {
            if (kept.visual_places) REQUIRE(integer(kept.visual_places, type, next) == index);
            next += 1;
        }
        if (kept.renumbered) REQUIRE(integer(kept.renumbered, type, index) == kept.first_position + index);
    }
    REQUIRE(next == row_count);

    kept_count = below(source, row_count + 2);
    tokens_kept = list(source, type, kept_count, row_count, 1);
    wanted = count - row_count + kept_count;
    pruned = room((wanted > 0 ? wanted : 0) * integers);
    if (flashvid_prompt_prune(kept.rows, count, tokens_kept, kept_count, type, pruned, wanted, &places, message,
                              sizeof message) != FLASHVID_OK) {
        REQUIRE(places == -7);
        for (index = 0; index < wanted * integers; index += 1) REQUIRE(((unsigned char *)pruned)[index] == 0xA5);
        return;
    }
    REQUIRE(places == wanted);
    for (index = next = 0; index < places; index += 1) {
        const int64_t place = integer(pruned, type, index);
        REQUIRE(place >= 0 && place < count && (index == 0 || integer(pruned, type, index - 1) < place));
        if (integer(kept.rows, type, place) >= 0) {
            REQUIRE(integer(kept.rows, type, place) == integer(tokens_kept, type, next));
            next += 1;
        }
    }
    REQUIRE(next == kept_count);
}

/* Pruning of rows that no prompt has. */
static void loose_rows(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    const int64_t count = below(source, 20), kept_count = below(source, 9);
    void *const rows = list(source, type, count, 9, 0), *const kept = list(source, type, kept_count, 9, 1);
    void *places = room(count * width_of(type));
    int64_t capacity = count, given = count, given_kept = kept_count, found = -7, index;
    flashvid_index given_type = type;
    for (index = 0; index < count; index += 1)
        if (below(source, 2)) set(rows, type, index, -1);
    switch (spoils(source) % 6) {
    case 1: capacity = less(source, capacity); break;
    case 2: given = no_size(source); if (given == 0) given = -1; break;
    case 3: given_kept = no_size(source); break;
    case 4: given_type = no_enum(source); break;
    case 5: if (kept_count > 0 && count > 0) places = rows; break;
    default: break;
    }
    if (!succeeded(flashvid_prompt_prune(rows, given, kept, given_kept, given_type, places, capacity, &found, message, 9))) {
        REQUIRE(found == -7);
        return;
    }
    REQUIRE(found >= 0 && found <= count);
}

static void video_rows(input *source) {
    const flashvid_index type = (flashvid_index)below(source, 2);
    flashvid_newlines newlines = (flashvid_newlines)below(source, 4);
    int64_t frames = 1 + below(source, 5), tokens = 1 + below(source, 6), row_count = below(source, frames * tokens + frames + 2);
    const int64_t lines = newlines == FLASHVID_NEWLINES_NONE ? 0 : newlines == FLASHVID_NEWLINES_AFTER_VIDEO ? 1 : frames;
    void *const indices = list(source, type, row_count, frames * tokens, 1);
    void *rows = room((row_count + lines) * width_of(type));
    const int64_t wanted = row_count + lines, given_rows = row_count;
    int64_t capacity = wanted, count = -7, index, next = 0;
    int spoilt = spoils(source) % 7;
    switch (spoilt) {
    case 1: capacity = less(source, capacity); spoilt = 0; break;
    case 2: frames = no_size(source); break;
    case 3: tokens = no_size(source); break;
    case 4: newlines = no_enum(source); break;
    case 5: row_count = no_size(source); if (row_count == 0) row_count = -1; break;
    case 6: if (given_rows > 0) rows = indices; else spoilt = 0; break;
    default: break;
    }
    if (!succeeded(flashvid_video_rows(indices, type, row_count, frames, tokens, newlines, rows, capacity, &count, message,
                                       sizeof message))) {
        REQUIRE(count == -7);
        return;
    }
    REQUIRE(spoilt == 0 && count == wanted);
    for (index = 0; index < count; index += 1) {
        const int64_t row = integer(rows, type, index);
        REQUIRE(row == -1 || row == next);
        next += row >= 0;
    }
    REQUIRE(next == row_count);
}

/* ------------------------------------------------------------------------------------------------------------- Plans */

static void plans(input *source) {
    flashvid_configuration configuration;
    flashvid_context_budget context;
    flashvid_host_model host;
    flashvid_plan_row row, old;
    const int64_t layers = odd_integer(source, 28), layer = odd_integer(source, 20);
    const double kept = odd(source, 0.3), wanted = odd(source, 1);
    double expansion = -7, average = -7, ratio = -7, work = -7;
    int64_t frames = -7, wanted_frames, text;
    configure(source, &configuration);
    if (succeeded(flashvid_plan_expansion(layers, layer, kept, wanted, &expansion, message, sizeof message))) {
        REQUIRE(expansion > 0 || wanted < 1e-200);
        if (flashvid_plan_average(layers, layer, kept, expansion, &average, message, sizeof message) == FLASHVID_OK)
            REQUIRE(fabs(average - wanted) <= 1e-9 * fabs(wanted) || wanted < 1e-200);
    } else {
        REQUIRE(expansion == -7);
    }
    memset(&context, 0, sizeof context);
    context.struct_size = sizeof context;
    context.positions = odd_integer(source, 3000);
    context.tokens_per_frame = odd_integer(source, 1 + below(source, 200));
    context.overhead_per_frame = odd_integer(source, below(source, 4));
    context.other_positions = odd_integer(source, below(source, 99));
    if (succeeded(flashvid_plan_frames(&context, below(source, 3) ? &configuration : NULL, &frames, message, sizeof message)))
        REQUIRE(frames > 0 && frames <= context.positions);
    else
        REQUIRE(frames == -7);
    wanted_frames = odd_integer(source, 1 + below(source, 30));
    if (succeeded(flashvid_plan_retention(&context, &configuration, wanted_frames, &ratio, message, sizeof message))) {
        REQUIRE(ratio > 0 && ratio <= 1);
        configuration.retention_ratio = ratio;
        configuration.target_rows = 0;
        if (configuration.semantics == FLASHVID_SEMANTICS_DEFINITION) {
            frames = -7;
            REQUIRE(flashvid_plan_frames(&context, &configuration, &frames, NULL, 0) == FLASHVID_OK && frames >= wanted_frames);
        }
    } else {
        REQUIRE(ratio == -7);
    }

    REQUIRE(flashvid_host_model_preset(&host, sizeof host, (flashvid_model)below(source, 4)) == FLASHVID_OK);
    host.layers = odd_integer(source, host.layers);
    host.width = odd_integer(source, host.width);
    host.feed_forward_width = odd_integer(source, host.feed_forward_width);
    host.heads = odd_integer(source, host.heads);
    host.key_value_heads = odd_integer(source, host.key_value_heads);
    host.head_width = odd_integer(source, host.head_width);
    host.context_length = odd_integer(source, host.context_length);
    host.pruning_layer = odd_integer(source, host.pruning_layer);
    host.kept_ratio = odd(source, host.kept_ratio);
    host.frames = odd_integer(source, host.frames);
    host.tokens_per_frame = odd_integer(source, host.tokens_per_frame);
    host.overhead_per_frame = odd_integer(source, host.overhead_per_frame);
    host.overhead_per_video = odd_integer(source, host.overhead_per_video);
    text = odd_integer(source, 64);
    if (succeeded(flashvid_plan_prefill(&host, odd_integer(source, 1000), text, &work, message, sizeof message)))
        REQUIRE(work >= 0 && isfinite(work));
    else
        REQUIRE(work == -7);
    memset(&row, 0xA5, sizeof row);
    row.struct_size = sizeof row;
    old = row;
    if (succeeded(flashvid_plan_video(&host, odd(source, 0.1), text, &row, message, sizeof message))) {
        REQUIRE(row.tokens_per_frame > 0 && row.tokens_per_frame <= host.tokens_per_frame);
        REQUIRE(row.visual_tokens == host.frames * row.tokens_per_frame && row.prompt_length >= row.visual_tokens);
        REQUIRE(row.frames_in_context > 0 && row.frames_at_same_work >= 0 && isfinite(row.work_share));
    } else {
        REQUIRE(memcmp(&row, &old, sizeof row) == 0);
    }
    frames = -7;
    if (succeeded(flashvid_plan_break_even(&host, odd(source, 0.1), odd(source, 0.01), odd(source, 1e13), text, &frames, message,
                                           sizeof message)))
        REQUIRE(frames >= 1 && frames <= 1000000);
    else
        REQUIRE(frames == -7);
}

/* ---------------------------------------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    /* New ones go to the front, so that inputs that are kept mean what they did. */
    static void (*const calls[])(input *) = {
        scorer_control, layouts,        strided, pool_typed, control, batch,  stream,     prune,  encoder_scores,
        decoder_scores, pool,           patches, groups,     gather,  embeddings, prompt, loose_rows, video_rows,
        plans};
    const size_t count = sizeof calls / sizeof *calls;
    input source = {bytes, size};
    if (scorers[0] == NULL) {
        REQUIRE(flashvid_scorer_create(1, &scorers[0], NULL, 0) == FLASHVID_OK);
        REQUIRE(flashvid_scorer_create(2, &scorers[1], NULL, 0) == FLASHVID_OK);
    }
    /* A clip, as all inputs were once, or what the first byte says. */
    if (size == 0 || bytes[0] < 256 - 8 * count) {
        compress(&source);
    } else {
        calls[(take(&source, 1) - (256 - 8 * count)) / 8](&source);
    }
    release();
    return 0;
}
