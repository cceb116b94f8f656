/*
 * FlashVID: training-free compression of a video language model's visual tokens (arXiv 2602.08024), on the CPU.
 *
 * A vision encoder makes of a clip F frames of N tokens of D channels each. FlashVID keeps a given share of them: it
 * selects the most telling tokens of every frame, merges the others along trees that follow things through time, and
 * hands out K rows in reading order, each with the source token (frame * N + token) whose place it takes.
 *
 *     flashvid_configuration configuration;
 *     flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_LLAVA_ONEVISION, 0.10);
 *     flashvid_output_token_count(&configuration, F, N, &rows, NULL, 0);
 *     flashvid_compressor_create(&configuration, 0, &compressor, NULL, 0);
 *     flashvid_compressor_compress(compressor, &clip, &output);
 *     flashvid_compressor_destroy(compressor);
 *
 * Each of these returns a status to look at. A retention of 0.10 lets 12.5 % of the tokens into the language model, rounded up
 * in every frame, which pruning inside it pays back; 10 % where configuration.expansion is set to 1.
 *
 * What a host needs around that, from the encoder's attention to the language model's prompt, is in flashvid_host.h.
 *
 * What holds for every function:
 *
 * Errors.      A function that can fail returns a status; anything but FLASHVID_OK means that nothing was done and that no
 *              memory of the caller's was written, but for the error text where the caller gave room for it, and for what
 *              functions that do several things say of themselves (batches, pushing frames). Nothing that a caller passes
 *              ends the process: NULL, zero, NaN, overflow, a wrong struct size are statuses. What cannot be checked is a
 *              pointer that is neither NULL nor valid, and a handle that was destroyed. In every function a pointer can be
 *              FLASHVID_NULL_POINTER, FLASHVID_MISALIGNED or FLASHVID_OVERLAP, a struct FLASHVID_INVALID_STRUCT or
 *              FLASHVID_UNSUPPORTED, a handle FLASHVID_BUSY or FLASHVID_FORKED; each lists what else there is.
 * Ownership.   The library keeps no pointer of the caller's after a call returns, but for a progress callback and what is
 *              handed to it, and gives out no memory of its own but the handles and the constant strings. What a handle was
 *              made from may go once it is made. A handle keeps its workspace until it is destroyed. The library prints
 *              nothing, and once it is loaded it stays: dlclose does not unload it.
 * Threads.     Functions without a handle may be called from any thread at any time. A handle works for one thread at a
 *              time, any thread; a call from a second one meanwhile returns FLASHVID_BUSY at once and disturbs nothing. Its
 *              functions _threads, _error, _statistics, _configuration, _output_token_count, _workspace_bytes and _cancel
 *              may be called at any time until it is destroyed. Different handles are independent. A thread count of 0 is
 *              one for each core that is on line, whatever share of them the process may use.
 *              The library's threads take no signals. Where the system gives fewer threads than asked for, a handle works
 *              with those, and _threads says how many. A call needs 128 KiB of stack; threads of 64 KiB are too small for
 *              OpenBLAS's thread-local data. A thread that is cancelled (pthread_cancel) in a call finishes it first.
 * Fork.        A child may make handles of its own and call everything, whatever the parent's threads were doing. A handle
 *              that it inherits has no threads there: every call with it returns FLASHVID_FORKED, but _destroy, which frees
 *              what can be freed and returns FLASHVID_OK. fork() waits until the matrix products at hand are done.
 * Floats.      A call runs in the default floating-point environment (to nearest, subnormals kept, no traps), also where the
 *              host has another, and puts the host's back, exception flags included.
 * BLAS.        While a call runs, OpenBLAS is set to one thread for the whole process, since the library runs its products
 *              on its own threads; the host's setting is put back when the last call ends. OpenBLAS maps 128 MiB of address
 *              space for each thread that multiplies, the library's and those that it starts itself when it is loaded.
 * Memory.      A _create function makes sure of that address space, so that FLASHVID_OUT_OF_MEMORY is its answer where there
 *              is too little; so is that of any call that gets no workspace, and the same call works once there is memory.
 *              Where no memory is left at all, small blocks (error texts, lists of a few kilobytes) come from a reserve; no
 *              allocation that fails ends the process.
 * Strides.     Count elements, not bytes; 0 is the compact layout. Channels of a token lie side by side.
 * Alignment.   A buffer starts at a multiple of its elements' size; so does where a single number or a handle goes.
 * Overlap.     What a call writes shares no byte, gaps between rows included, with anything else that the call is given:
 *              buffers, lists, structs, room for a text. What is only read may overlap. And a single number that a call gives
 *              may go into a struct that the call reads, such as &configuration.retention_ratio.
 * Structs.     Begin with their size, which the caller sets (to sizeof) or an _init function. They only ever grow at the
 *              end, and what a field or a value means never changes. A caller built against an older header passes a
 *              smaller size: the fields that it does not know have their defaults. A caller built against a newer one
 *              passes a larger size: the bytes that this library does not know must be zero, which in every added field
 *              means what was done before there was such a field, else FLASHVID_UNSUPPORTED. Set a struct to zero before
 *              filling it in. Before 1.0 a new header may rename something, and source that uses it is to be changed;
 *              binaries go on as they are. Systems are of 64 bits.
 * Results.     The same clip and configuration give the same result, bit for bit, on any number of threads. What is kept is
 *              what the definition says in double precision, with whatever kernels OpenBLAS runs.
 */
#ifndef FLASHVID_H
#define FLASHVID_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define FLASHVID_API __attribute__((visibility("default")))
#else
#define FLASHVID_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------- Version */

/* This header's version. The library's soname is libflashvid.so.FLASHVID_VERSION_MAJOR. */
#define FLASHVID_VERSION_MAJOR 0
#define FLASHVID_VERSION_MINOR 2
#define FLASHVID_VERSION_PATCH 0
#define FLASHVID_VERSION_STRING "0.2.0"
/* One number that grows with the version: major * 1,000,000 + minor * 1,000 + patch. */
#define FLASHVID_VERSION (FLASHVID_VERSION_MAJOR * 1000000 + FLASHVID_VERSION_MINOR * 1000 + FLASHVID_VERSION_PATCH)

/* FLASHVID_VERSION of the library that runs. */
FLASHVID_API int32_t flashvid_version(void);

/* FLASHVID_VERSION_STRING of the library that runs. A constant string; do not free it. */
FLASHVID_API const char *flashvid_version_string(void);

/* -------------------------------------------------------------------------------------------------------- Status */

typedef int32_t flashvid_status;

enum {
    FLASHVID_OK = 0,
    /* A pointer that must not be NULL is. */
    FLASHVID_NULL_POINTER = 1,
    /* A value that is none of those listed, a negative count, a thread count out of range. */
    FLASHVID_INVALID_ARGUMENT = 2,
    /* A struct's size is less than any version's, no multiple of 8, or absurd; or the struct itself is misaligned. */
    FLASHVID_INVALID_STRUCT = 3,
    /* A newer caller asks for something that this library does not know. */
    FLASHVID_UNSUPPORTED = 4,
    /* A field of the configuration, or a ratio or factor of another call, is out of its range; or two fields exclude each
       other. */
    FLASHVID_INVALID_CONFIGURATION = 5,
    /* No frames, no tokens or no channels; or frames that are not those of the stream. */
    FLASHVID_INVALID_SHAPE = 6,
    /* A size or a product of sizes that no memory or no integer of the engine's holds. */
    FLASHVID_SIZE_OVERFLOW = 7,
    /* A stride below the least that its field names, or with which rows overlap that are written, or with which queries
       or keys have less memory than numbers. */
    FLASHVID_INVALID_STRIDE = 8,
    FLASHVID_MISALIGNED = 9,
    FLASHVID_OVERLAP = 10,
    /* A buffer with room for fewer items than the result may have. */
    FLASHVID_BUFFER_TOO_SMALL = 11,
    /* NaN or infinity in the features, the attention, the queries or the keys; the text says where. */
    FLASHVID_NOT_FINITE = 12,
    FLASHVID_NEGATIVE_ATTENTION = 13,
    /* A number of the result would be infinite in the type that was asked for. */
    FLASHVID_NOT_REPRESENTABLE = 14,
    FLASHVID_OUT_OF_MEMORY = 15,
    /* Another thread is using the handle. */
    FLASHVID_BUSY = 16,
    /* A stream has no closed segment to hand out: push on, or, after finish, it is at its end. */
    FLASHVID_NO_SEGMENT = 17,
    /* A stream takes no frame while a closed segment waits to be handed out. */
    FLASHVID_SEGMENT_PENDING = 18,
    /* A stream takes no frame after finish. */
    FLASHVID_FINISHED = 19,
    /* A clip of a batch was not tried, because the batch was refused. */
    FLASHVID_NOT_TRIED = 20,
    /* An item of a list, or a number, that points outside of what it points into. */
    FLASHVID_OUT_OF_RANGE = 21,
    /* A list that does not rise where it has to, or that names an item twice. */
    FLASHVID_INVALID_ORDER = 22,
    /* A plan that cannot be met. */
    FLASHVID_IMPOSSIBLE = 23,
    /* The handle was made before this process was forked; only its destroy and close functions take it. */
    FLASHVID_FORKED = 24,
    /* The call was ended early: by _cancel, by its time limit or by its progress callback. */
    FLASHVID_CANCELLED = 25
};

/* The name of a status as it stands above, or "FLASHVID_UNKNOWN". A constant string; do not free it. */
FLASHVID_API const char *flashvid_status_name(flashvid_status status);

/*
 * Error texts. Functions with `message` and `message_capacity` write to `message`, if it is not NULL, one line of UTF-8
 * that says what was wrong, cut to fit, always with a terminating zero; the empty text on FLASHVID_OK. A text names fields,
 * places and numbers, for people; programs go by the status. No text is longer than 1,023 bytes, and of more room than that
 * the rest is neither written nor looked at. Where `message` overlaps other memory of the call, nothing is written to it. With
 * a NULL `message` the capacity is not looked at.
 */

/* ------------------------------------------------------------------------------------------------------- Layouts */

/*
 * For bindings that mirror the structs: field `index` of a struct, such as "flashvid_clip", as the library that runs has it.
 * Its name, a constant string, goes to *field, its bytes from the start of the struct to *offset and its own to *size, each
 * if it is not NULL. Fields are numbered from 0 in order; -1 is the struct itself.
 * Errors: FLASHVID_INVALID_ARGUMENT (no such struct), FLASHVID_OUT_OF_RANGE (no such field).
 */
FLASHVID_API flashvid_status flashvid_struct_field(
    const char *structure, int64_t index, const char **field, size_t *offset, size_t *size);

/* ------------------------------------------------------------------------------------------------- Configuration */

/* How the telling tokens of a frame are found. */
typedef int32_t flashvid_selection;
enum {
    /* The tokens of largest attention. */
    FLASHVID_SELECTION_ATTENTION = 0,
    /* Max-min diversity over cosine distances. */
    FLASHVID_SELECTION_DIVERSITY = 1,
    /* The same, each distance weighted by the candidate's attention. The authors' choice for Qwen-VL. */
    FLASHVID_SELECTION_ATTENTION_DIVERSITY = 2,
    /* The same, weighted by attention and by relevance to the segment. The authors' choice for LLaVA. */
    FLASHVID_SELECTION_ATTENTION_DIVERSITY_EVENT = 3
};

/* What a tree of merged tokens becomes. */
typedef int32_t flashvid_aggregation;
enum { FLASHVID_AGGREGATION_MEAN = 0, FLASHVID_AGGREGATION_MAX = 1 };

/* Whose place a merged row takes. */
typedef int32_t flashvid_placement;
enum {
    /* The centre of its cluster. */
    FLASHVID_PLACEMENT_CENTRE = 0,
    /* The member nearest to the row's final value. */
    FLASHVID_PLACEMENT_MEDOID = 1
};

/* Whose reading of the method is computed. */
typedef int32_t flashvid_semantics;
enum {
    /* The definition: the number of rows is known beforehand, every source token is accounted for. */
    FLASHVID_SEMANTICS_DEFINITION = 0,
    /* The authors' released program, defects included, to compare with published figures: indices may repeat, the number
       of rows is known only afterwards, and there is no assignment and there are no counts. */
    FLASHVID_SEMANTICS_PUBLISHED = 1
};

typedef struct flashvid_configuration {
    /* sizeof(flashvid_configuration); set by flashvid_configuration_init and _preset. */
    size_t struct_size;
    /* Share of the tokens to keep, averaged over the language model's layers; in (0, 1]. Not looked at with target_rows.
       Default 0.25. */
    double retention_ratio;
    /* Tokens that enter the language model over tokens that the ratio names, to be paid back by pruning inside it
       (flashvid_prune); above 0. Not looked at with target_rows. Default 1.25. */
    double expansion;
    /* Share of the budget that selection takes, the rest goes to merged tokens; in [0, 1]. Default 0.7. */
    double alpha;
    /* Default FLASHVID_SELECTION_ATTENTION_DIVERSITY_EVENT. */
    flashvid_selection selection;
    /* 1: the clip is cut into segments; 0: it is one segment. Default 1. */
    int32_t segmentation;
    /* A cut is made where the cosine of neighbouring frames' means is below this; at least -1. Default 0.9. */
    double segment_threshold;
    /* Fewer segments than this are cut further at their weakest transitions; at least 0. 0 is automatic, from version 0.2 on:
       min(8, ceil(frames / 4)), the paper's 8 at its 32 frames, and fewer for shorter clips, so that they keep their trees.
       Libraries before that refuse 0. Default 8. */
    int64_t minimum_segments;
    /* Longest segment in frames; 0: no limit. Default 0. */
    int64_t maximum_segment_frames;
    /* A token joins its best match in the frame before if their cosine is above this; at least -1, and from 1 on nothing
       is merged. Where fewer tokens than rows would be left of a segment, only the most similar join. Default 0.8. */
    double temporal_threshold;
    /* 1: those further cuts are made; 0: they are not. Default 1. */
    int32_t complementary_segments;
    /* Default FLASHVID_AGGREGATION_MEAN. */
    flashvid_aggregation aggregation;
    /* Default FLASHVID_SEMANTICS_DEFINITION. */
    flashvid_semantics semantics;
    /* 1: selection in a frame starts from the picks of the segment's earlier frames. Default 0. */
    int32_t carry;
    /* How often every unselected token is given to the nearest row of its segment; 0 to 1,000. Rounds that would change
       nothing are left out. Default 0. */
    int64_t refinement_rounds;
    /* Default FLASHVID_PLACEMENT_CENTRE. */
    flashvid_placement placement;
    /* Zero. */
    int32_t reserved;
    /* The exact number of rows that a clip becomes, for hosts that size their prompt before any feature exists; 1 to
       frames * tokens_per_frame, which is checked for each clip. 0: a number by retention_ratio and expansion. Not with the
       published semantics, and not in a stream. Default 0. From version 0.2 on. */
    int64_t target_rows;
} flashvid_configuration;

/* The models that the authors evaluated. */
typedef int32_t flashvid_model;
enum {
    FLASHVID_LLAVA_ONEVISION = 0,
    FLASHVID_LLAVA_VIDEO = 1,
    FLASHVID_QWEN25_VL = 2,
    FLASHVID_QWEN3_VL = 3
};

/*
 * Fills in the defaults, the paper's. `struct_size` is sizeof *configuration in the caller's header; no byte behind it is
 * written.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT.
 */
FLASHVID_API flashvid_status flashvid_configuration_init(flashvid_configuration *configuration, size_t struct_size);

/*
 * Fills in the authors' configuration for a model: its form of selection and its minimum of segments, the rest as
 * flashvid_configuration_init, at a retention ratio, which is checked when the configuration is used.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_INVALID_ARGUMENT (no such model).
 */
FLASHVID_API flashvid_status flashvid_configuration_preset(
    flashvid_configuration *configuration, size_t struct_size, flashvid_model model, double retention_ratio);

/*
 * Sets what goes beyond the paper: alpha 0.5, carry, one refinement round, rows at their medoid, and, from version 0.2 on,
 * the automatic minimum of segments, a value that minimum_segments did not have before and no change of the struct.
 *
 * It covers a clip better at an equal number of tokens. One small video language model has judged it (SmolLM2-135M on a
 * ViT-S, clips of 8 frames of 64 tokens, 1,549 synthetic questions on 200 clips not trained on, standard errors 0.007 to
 * 0.014, 2 segments). Right answers, 0.881 with all tokens:
 *
 *     kept               0.25    0.15    0.10    0.05
 *     attention alone    0.867   0.832   0.786   0.719
 *     default            0.869   0.863   0.841   0.757
 *     refined            0.872   0.864   0.855   0.821
 *
 * With 8 segments of one frame each it gained nothing there, hence the automatic minimum. It is one model and one training;
 * the default stays the paper's.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT; FLASHVID_UNSUPPORTED where the caller's struct is too old to hold
 * these fields.
 */
FLASHVID_API flashvid_status flashvid_configuration_refine(flashvid_configuration *configuration);

/*
 * Checks every field. What takes a configuration checks it as well, with the same answer.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED, FLASHVID_INVALID_CONFIGURATION.
 */
FLASHVID_API flashvid_status flashvid_configuration_validate(
    const flashvid_configuration *configuration, char *message, size_t message_capacity);

/*
 * Rows that a clip of these sizes becomes, before any feature exists: target_rows, or, where that is 0,
 * F * min(N, ceil(N * retention_ratio * expansion)), exactly, with the definition's semantics; with the published ones at
 * most F rows more, and this is the most.
 * Errors: those of flashvid_configuration_validate, FLASHVID_INVALID_CONFIGURATION also where target_rows are more than the
 * clip has tokens, FLASHVID_INVALID_SHAPE, FLASHVID_SIZE_OVERFLOW; *count is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_output_token_count(
    const flashvid_configuration *configuration, int64_t frames, int64_t tokens_per_frame, int64_t *count,
    char *message, size_t message_capacity);

/* ---------------------------------------------------------------------------------------------- Clips and results */

/* The type of numbers. Zero is float32. */
typedef int32_t flashvid_scalar;
enum { FLASHVID_FLOAT32 = 0, FLASHVID_FLOAT16 = 1, FLASHVID_BFLOAT16 = 2 };

/* The type of indices. Zero is int64_t. */
typedef int32_t flashvid_index;
enum { FLASHVID_INT64 = 0, FLASHVID_INT32 = 1 };

/* A clip, read only, and only while a call runs. */
typedef struct flashvid_clip {
    /* sizeof(flashvid_clip). */
    size_t struct_size;
    /* [frames, tokens_per_frame, channels] numbers of `type`, finite: the tokens as the language model would read them, behind
       the projector, pooled or merged, in reading order. */
    const void *features;
    /* Each at least 1; frames * tokens_per_frame and channels are below 2^31. Qwen's frames are pairs of pictures. */
    int64_t frames;
    int64_t tokens_per_frame;
    int64_t channels;
    flashvid_scalar type;
    /* The type of `attention`. */
    flashvid_scalar attention_type;
    /* Elements from a token to the one at its place in the next frame; at least `channels`. 0: frames follow one another. */
    int64_t frame_stride;
    /* Elements from a token to the next of its frame; at least `channels`, below 2^31. 0: `channels`. */
    int64_t token_stride;
    /* [frames, tokens_per_frame] what each token receives in its frame, finite and not negative, of which the relative
       sizes count (flashvid_host.h computes it); or NULL: 1 less the cosine with the frame's mean token stands in. */
    const void *attention;
    /* As the two above; at least 1. 0: compact. */
    int64_t attention_frame_stride;
    int64_t attention_token_stride;
} flashvid_clip;

/* What a row is. */
enum {
    /* A source token as it was. */
    FLASHVID_SELECTED = 0,
    /* A merged row: the mean of a cluster of trees, each of which counts once, as the mean (or maximum) of its tokens.
       It is the plain mean of the source tokens that it stands for only after a refinement round. */
    FLASHVID_CONTEXTUAL = 1
};

/*
 * Where a result goes: memory of the caller's, written while a call runs, and only if it succeeds. Fields marked [out] are
 * set by a call that succeeds and left alone by one that does not.
 */
typedef struct flashvid_output {
    /* sizeof(flashvid_output). */
    size_t struct_size;
    /* [row_capacity, channels] room for the rows, numbers of `token_type`. */
    void *tokens;
    /* Rounded from float32 to the nearest, ties to even. */
    flashvid_scalar token_type;
    /* The type of all integers below. */
    flashvid_index index_type;
    /* Elements from a row to the next; at least `channels`, below 2^31. 0: `channels`. What lies between is not written. */
    int64_t row_stride;
    /* Rows for which there is room, at least flashvid_output_token_count. */
    int64_t row_capacity;
    /* [row_capacity] room for the source token, frame * tokens_per_frame + token, whose place each row takes: ascending, and
       unique but with the published semantics. */
    void *indices;
    /* [out] Rows written, K. */
    int64_t row_count;
    /* [out] Segments of the clip. */
    int64_t segment_count;
    /* [frames * tokens_per_frame] room for the row that stands for each source token, or -1 where it was dropped, in a
       budget that alpha and rounding leave without merged rows; or NULL. NULL with the published semantics. */
    void *assignment;
    /* [row_capacity] room for the number of source tokens that each row stands for, or NULL. A host may add its logarithm, or
       a share of that, to the logit of the row's key. That is an option to measure, with a strength, and off by default:
       reading compressed tokens, a vision transformer's [CLS] came out three times nearer with it (error 0.017 for 0.048 at
       0.10), while a small video language model that was trained without it lost 3 to 8 points of accuracy at full strength
       and none at half. NULL with the published semantics. */
    void *counts;
    /* [row_capacity] room for FLASHVID_SELECTED or FLASHVID_CONTEXTUAL, or NULL. */
    uint8_t *kinds;
    /* [frames] room for the lengths of the segments, in frames, of which segment_count are written; or NULL. */
    void *segment_lengths;
    /* [frames * tokens_per_frame] room for the source token, in the frame before, that each merged token joined, -1 for all
       others; or NULL. */
    void *parents;
    /* [out] The frame with which the result begins: 0, but for the later segments of a stream. */
    int64_t first_frame;
    /* [out] The number of its first row: 0, but for the later segments of a stream. */
    int64_t first_row;
} flashvid_output;

/* ---------------------------------------------------------------------------------------------------- Compressor */

/* Compresses clips, one after the other, with threads and a workspace of its own. */
typedef struct flashvid_compressor flashvid_compressor;

/*
 * Makes a compressor and starts its threads: 1 to 64, the calling one included, or 0 for one a core. Each handle must be
 * destroyed. The configuration is copied.
 * Errors: those of flashvid_configuration_validate, FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT (threads);
 * *compressor is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_compressor_create(
    const flashvid_configuration *configuration, int32_t threads, flashvid_compressor **compressor, char *message,
    size_t message_capacity);

/*
 * Ends the threads and frees the memory. NULL is allowed. The handle is gone when FLASHVID_OK is returned.
 * Errors: FLASHVID_BUSY while another thread's call runs; the handle then lives on.
 */
FLASHVID_API flashvid_status flashvid_compressor_destroy(flashvid_compressor *compressor);

/*
 * For destructors: cancels the call that is under way, waits until it has returned, and destroys. NULL is allowed. Calls that
 * begin meanwhile return FLASHVID_BUSY; after it, there must be none.
 * Errors: FLASHVID_BUSY from the handle's own progress callback, and where another thread closes it already.
 */
FLASHVID_API flashvid_status flashvid_compressor_close(flashvid_compressor *compressor);

/* Threads that work on a clip; 0 for NULL. */
FLASHVID_API int32_t flashvid_compressor_threads(const flashvid_compressor *compressor);

/* What it was made with, as flashvid_configuration_init fills in the defaults. */
FLASHVID_API flashvid_status flashvid_compressor_configuration(
    const flashvid_compressor *compressor, flashvid_configuration *configuration, size_t struct_size);

/* As flashvid_output_token_count with its configuration. */
FLASHVID_API flashvid_status flashvid_compressor_output_token_count(
    const flashvid_compressor *compressor, int64_t frames, int64_t tokens_per_frame, int64_t *count, char *message,
    size_t message_capacity);

/*
 * Bytes of workspace that a clip of these sizes takes at the most, to *bytes, before any of it is taken. A handle keeps the
 * largest that it needed. A batch of at least as many clips as threads takes, for each thread, what a handle of one thread
 * does. OpenBLAS has memory of its own.
 * Errors: FLASHVID_INVALID_ARGUMENT (type), FLASHVID_INVALID_SHAPE, FLASHVID_SIZE_OVERFLOW; *bytes is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_compressor_workspace_bytes(
    const flashvid_compressor *compressor, int64_t frames, int64_t tokens_per_frame, int64_t channels, flashvid_scalar type,
    int64_t *bytes, char *message, size_t message_capacity);

/*
 * Compresses a clip. O(F * N^2 * D) time, in matrix products. No copy of the features is made; the workspace grows with the
 * largest clip seen, and no memory is allocated for a clip no larger than one before.
 * Errors: FLASHVID_NULL_POINTER (handle, structs, features, tokens, indices), FLASHVID_INVALID_ARGUMENT,
 * FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED, FLASHVID_INVALID_CONFIGURATION (target_rows above the clip's tokens),
 * FLASHVID_INVALID_SHAPE to FLASHVID_BUSY as listed with the statuses, FLASHVID_CANCELLED.
 */
FLASHVID_API flashvid_status flashvid_compressor_compress(
    flashvid_compressor *compressor, const flashvid_clip *clip, flashvid_output *output);

/*
 * Compresses `count` clips, 1,048,576 at the most, each into its output; they may differ in all but the configuration. Where
 * there are as many clips as threads, each thread works on clips of its own, else all threads on one after the other; the
 * results are the same. A clip that fails does not keep the others from being compressed; where the call is ended early, the
 * clips that were not done by then are FLASHVID_CANCELLED. `statuses` is NULL or has room for `count`: what became of each. No
 * buffer that is written, and no output struct, may belong to two clips.
 *
 * Returns FLASHVID_OK if all were compressed, else the status of the first clip that was not, whose text is the handle's last
 * error. Errors of the batch as a whole, with every status FLASHVID_NOT_TRIED: FLASHVID_NULL_POINTER (`clips`, `outputs`),
 * FLASHVID_MISALIGNED (of these), FLASHVID_OVERLAP between clips or with one of the lists, FLASHVID_OUT_OF_MEMORY. Others
 * leave `statuses` as they are: FLASHVID_BUSY, FLASHVID_INVALID_ARGUMENT (negative count), FLASHVID_SIZE_OVERFLOW (count above
 * the maximum), and FLASHVID_MISALIGNED or FLASHVID_OVERLAP of `statuses` themselves.
 */
FLASHVID_API flashvid_status flashvid_compressor_compress_batch(
    flashvid_compressor *compressor, const flashvid_clip *const *clips, flashvid_output *const *outputs, int64_t count,
    flashvid_status *statuses);

/*
 * The text of the handle's last error: of the last call with it, unless that returned FLASHVID_OK, FLASHVID_NO_SEGMENT or
 * FLASHVID_BUSY, which leave the text as it was; empty if there was none. Written as an error text (see above). Returns its
 * length in bytes without the terminating zero, cut or not; 0 for a NULL handle.
 */
FLASHVID_API size_t flashvid_compressor_error(
    const flashvid_compressor *compressor, char *message, size_t message_capacity);

/* Where the time of a handle's last successful call went; all fields [out]. Of a batch, the sums over its clips. */
typedef struct flashvid_statistics {
    /* sizeof(flashvid_statistics), set by the caller. */
    size_t struct_size;
    /* Wall time of the whole call, in seconds. */
    double seconds;
    /* Time in each stage, in seconds, summed over threads. */
    double segmentation_seconds;
    double selection_seconds;
    double trees_seconds;
    double contextual_seconds;
    double refinement_seconds;
    /* Decisions too close for float32 that were settled in double precision. */
    int64_t close_calls;
    /* Threads used. */
    int64_t threads;
} flashvid_statistics;

/* Zero before the first call. Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT. */
FLASHVID_API flashvid_status flashvid_compressor_statistics(
    const flashvid_compressor *compressor, flashvid_statistics *statistics);

/* -------------------------------------------------------------------------------------- Ending calls, and progress */

/*
 * Ends the call that is under way, from any thread or a signal handler: at its next frame it returns FLASHVID_CANCELLED,
 * with nothing written. A call past its last frame returns what it would have. A call is under way from when it takes the
 * handle until it returns; where none is, nothing happens, and calls that begin later are not ended. Returns at once,
 * without waiting for the call.
 */
FLASHVID_API flashvid_status flashvid_compressor_cancel(flashvid_compressor *compressor);

/*
 * The longest that a call with the handle may take, in seconds on a clock that only rises; 0: as long as it takes, as from the
 * start. A call that takes longer ends at its next frame, as by _cancel. Holds for calls that begin after this one.
 * Errors: FLASHVID_INVALID_ARGUMENT (negative, NaN).
 */
FLASHVID_API flashvid_status flashvid_compressor_set_time_limit(flashvid_compressor *compressor, double seconds);

/*
 * Is told how far a call is: a share of the work, rising, from 0 to 1; 1 once everything is computed. Returns 0 to go on,
 * anything else to end the call as by _cancel, for which 1 is too late.
 *
 * It is called on the thread that made the call, a few times a frame; of a batch, the share is that of all clips. It may
 * use other handles, and of its own the functions that may be used at any time; others return FLASHVID_BUSY. It runs in the
 * default floating-point environment. It has to return: no exception and no longjmp may leave it.
 */
typedef int32_t (*flashvid_progress)(double share, void *context);

/* Tells `progress` of the calls that begin after this one, with `context`, whatever that is; NULL: nobody, as from the
   start. */
FLASHVID_API flashvid_status flashvid_compressor_set_progress(
    flashvid_compressor *compressor, flashvid_progress progress, void *context);

/* -------------------------------------------------------------------------------------------------------- Stream */

/*
 * Compresses a video while its encoder is still at work, in memory that does not grow with its length: frames go in as they
 * come, and each segment comes out as soon as it is closed, by the first frame behind it, by the maximum of segment frames,
 * or by the end.
 *
 *     for every frame:
 *         if ((status = flashvid_stream_push(stream, &frame, 0, NULL)) != FLASHVID_OK) fail(status);
 *         while ((status = flashvid_stream_next(stream, &output)) == FLASHVID_OK) use(&output);
 *         if (status != FLASHVID_NO_SEGMENT) fail(status);
 *     flashvid_stream_finish(stream);
 *     while ((status = flashvid_stream_next(stream, &output)) == FLASHVID_OK) use(&output);
 *     if (status != FLASHVID_NO_SEGMENT) fail(status);
 *
 * The segments are those of flashvid_compressor_compress for the whole video with complementary_segments 0. Complementary
 * cuts need the whole clip, so a stream makes none, whatever complementary_segments and minimum_segments say.
 */
typedef struct flashvid_stream flashvid_stream;

/*
 * Makes a stream for frames of these sizes, with features of this type; threads as for a compressor. The configuration's
 * maximum_segment_frames must be at least 1: it bounds the memory, to that many frames and one more, in the type in which
 * they come, besides the workspace of a segment; (maximum_segment_frames + 1) * tokens_per_frame and channels are below 2^31.
 * Each handle must be destroyed.
 * Errors: those of flashvid_configuration_validate, FLASHVID_INVALID_CONFIGURATION also for target_rows, which need the
 * video's length, FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_SHAPE, FLASHVID_SIZE_OVERFLOW; *stream
 * is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_stream_create(
    const flashvid_configuration *configuration, int64_t tokens_per_frame, int64_t channels, flashvid_scalar type,
    int32_t threads, flashvid_stream **stream, char *message, size_t message_capacity);

/* As flashvid_compressor_destroy; frames and segments that were not handed out are dropped. */
FLASHVID_API flashvid_status flashvid_stream_destroy(flashvid_stream *stream);

/* As flashvid_compressor_close. */
FLASHVID_API flashvid_status flashvid_stream_close(flashvid_stream *stream);

/* Threads that work on a segment; 0 for NULL. */
FLASHVID_API int32_t flashvid_stream_threads(const flashvid_stream *stream);

/* As flashvid_compressor_configuration. */
FLASHVID_API flashvid_status flashvid_stream_configuration(
    const flashvid_stream *stream, flashvid_configuration *configuration, size_t struct_size);

/* Rows of a segment of so many frames, to *count: as flashvid_output_token_count. */
FLASHVID_API flashvid_status flashvid_stream_output_token_count(
    const flashvid_stream *stream, int64_t frames, int64_t *count, char *message, size_t message_capacity);

/* Bytes that the stream takes at the most, frames that wait included, to *bytes: as flashvid_compressor_workspace_bytes. */
FLASHVID_API flashvid_status flashvid_stream_workspace_bytes(
    const flashvid_stream *stream, int64_t *bytes, char *message, size_t message_capacity);

/*
 * Takes the frames of a clip from frame `first` on, up to and including the one that closes a segment; how many goes to
 * *taken, if that is not NULL. The frames are copied. Give attention with every frame or with none. A clip of one frame is
 * taken whole, so `taken` is of use for longer ones only:
 *
 *     for (first = 0; first < clip.frames; first += taken) {
 *         if ((status = flashvid_stream_push(stream, &clip, first, &taken)) != FLASHVID_OK) fail(status);
 *         while ((status = flashvid_stream_next(stream, &output)) == FLASHVID_OK) use(&output);
 *         if (status != FLASHVID_NO_SEGMENT) fail(status);
 *     }
 *
 * Errors: FLASHVID_SEGMENT_PENDING where a closed segment was not fetched, FLASHVID_FINISHED, FLASHVID_INVALID_SHAPE (not
 * the stream's frames), FLASHVID_INVALID_ARGUMENT (`first` out of range), FLASHVID_CANCELLED, and those of a clip. If a
 * later frame is at fault, or the call is ended early, the frames before are taken, *taken counts them, and the status says
 * why: go on with first + taken.
 * Otherwise the stream is as it was, and *taken 0; with FLASHVID_BUSY, FLASHVID_FORKED and FLASHVID_NULL_POINTER, and where
 * `taken` is itself misaligned or overlaps the clip, it is not written.
 */
FLASHVID_API flashvid_status flashvid_stream_push(
    flashvid_stream *stream, const flashvid_clip *clip, int64_t first, int64_t *taken);

/* Says that no frame follows: what is left becomes the last segment. Errors: FLASHVID_NULL_POINTER, FLASHVID_BUSY. */
FLASHVID_API flashvid_status flashvid_stream_finish(flashvid_stream *stream);

/*
 * Frames of the closed segment that waits to be handed out, to *frames; 0 if there is none. Its rows are
 * flashvid_output_token_count for that many frames.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_BUSY.
 */
FLASHVID_API flashvid_status flashvid_stream_segment_frames(flashvid_stream *stream, int64_t *frames);

/*
 * Hands out the closed segment. Its indices and parents count from the video's first frame, its assignment from its own
 * first row, to which output->first_row is to be added for rows of the whole video; buffers of [frames] are of the segment's
 * frames, output->segment_count is 1. Buffers for maximum_segment_frames frames do for every segment.
 * Errors: FLASHVID_NO_SEGMENT; those of flashvid_compressor_compress, and the segment then stays to be fetched.
 */
FLASHVID_API flashvid_status flashvid_stream_next(flashvid_stream *stream, flashvid_output *output);

/*
 * Drops what was pushed and begins another video, with the memory that there is.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_BUSY.
 */
FLASHVID_API flashvid_status flashvid_stream_reset(flashvid_stream *stream);

/* As flashvid_compressor_error. */
FLASHVID_API size_t flashvid_stream_error(const flashvid_stream *stream, char *message, size_t message_capacity);

/* Of the last segment; as flashvid_compressor_statistics. */
FLASHVID_API flashvid_status flashvid_stream_statistics(const flashvid_stream *stream, flashvid_statistics *statistics);

/* As flashvid_compressor_cancel; frames that were taken stay, and so does a segment that was not handed out. */
FLASHVID_API flashvid_status flashvid_stream_cancel(flashvid_stream *stream);

/* As flashvid_compressor_set_time_limit. */
FLASHVID_API flashvid_status flashvid_stream_set_time_limit(flashvid_stream *stream, double seconds);

/* As flashvid_compressor_set_progress; tells of flashvid_stream_next. */
FLASHVID_API flashvid_status flashvid_stream_set_progress(
    flashvid_stream *stream, flashvid_progress progress, void *context);

/* --------------------------------------------------------------------------------- Pruning in the language model */

/*
 * Visual tokens that pruning keeps, to *count: ceil(tokens * ratio), in double.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_CONFIGURATION (ratio outside (0, 1]), FLASHVID_INVALID_SHAPE,
 * FLASHVID_SIZE_OVERFLOW; *count is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_pruned_count(
    int64_t tokens, double ratio, int64_t *count, char *message, size_t message_capacity);

/*
 * Pays back inside the language model what `expansion` let in: before a middle layer the host has the attention of the last
 * query to the visual tokens, as the mean over its heads, and keeps the tokens of largest attention, of equal ones the
 * first. The authors keep 0.3 before layer 20 of 28, and 0.1 before layer 28 of 36 (Qwen3-VL).
 *
 * Reads `tokens` finite numbers of `type`, `stride` elements apart (at least 1; 0: 1), and writes the kept tokens' numbers,
 * ascending, to `kept`, room for `capacity` of `index_type`; how many goes to *count. O(tokens).
 * Errors: those of flashvid_pruned_count, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_STRIDE, FLASHVID_MISALIGNED,
 * FLASHVID_OVERLAP, FLASHVID_BUFFER_TOO_SMALL, FLASHVID_NOT_FINITE, FLASHVID_OUT_OF_MEMORY.
 */
FLASHVID_API flashvid_status flashvid_prune(
    const void *attention, flashvid_scalar type, int64_t tokens, int64_t stride, double ratio, void *kept,
    flashvid_index index_type, int64_t capacity, int64_t *count, char *message, size_t message_capacity);

#ifdef __cplusplus
}
#endif

#endif
