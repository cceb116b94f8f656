/*
 * What a host needs around the compression (flashvid.h): attention where its kernels hide it, tokens out of the encoder's
 * output, the prompt that is left, and what a budget buys.
 *
 *     vision encoder
 *       queries, keys   flashvid_scorer_scores             attention of every token (or patch)
 *       LLaVA           flashvid_pool                      features and attention, 27 x 27 to 14 x 14
 *       Qwen            flashvid_patch_grid_attention      attention of tokens, in reading order
 *                       flashvid_gather                    features in reading order, where the encoder gives its own
 *     flashvid_compressor_compress
 *     prompt            flashvid_prompt_keep               which positions stay, and which rows stand there
 *                       flashvid_video_rows                LLaVA: rows and newlines in place of the video token
 *                       flashvid_prompt_embeddings         what the language model reads
 *                       flashvid_gather, _gather_pairs     M-RoPE and cache positions, masks, DeepStack rows
 *     a middle layer    flashvid_scorer_last_query         attention of the last query, with grouped heads
 *                       flashvid_prune                     which visual tokens stay
 *                       flashvid_prompt_prune              which places stay; gather again
 *
 * What flashvid.h says at its head of errors, ownership, threads, BLAS, alignment, overlap, structs and results, and of
 * ending calls and progress, holds for every function here too. Further statuses: FLASHVID_INVALID_SHAPE where heads,
 * grids, groups or a prompt do not fit one another; FLASHVID_OUT_OF_RANGE for what points outside of what it points into;
 * FLASHVID_INVALID_ORDER for a list that has to rise, or to name everything once, and does not; FLASHVID_IMPOSSIBLE for a
 * plan that cannot be met.
 *
 * A void * to integers is of the call's `index_type`. Where a list or a buffer has nothing in it, its pointer may be NULL,
 * if NULL has no meaning of its own there.
 */
#ifndef FLASHVID_HOST_H
#define FLASHVID_HOST_H

#include "flashvid.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------------------- Attention */

/* Computes attention from queries and keys, with threads and a workspace of its own: never more than one head's
   tokens x tokens numbers a thread. */
typedef struct flashvid_scorer flashvid_scorer;

/*
 * Makes a scorer and starts its threads: 1 to 64, the calling one included, or 0 for one a core. Each must be destroyed.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT (threads); *scorer is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_scorer_create(
    int32_t threads, flashvid_scorer **scorer, char *message, size_t message_capacity);

/* As flashvid_compressor_destroy. */
FLASHVID_API flashvid_status flashvid_scorer_destroy(flashvid_scorer *scorer);

/* As flashvid_compressor_close. */
FLASHVID_API flashvid_status flashvid_scorer_close(flashvid_scorer *scorer);

/* Threads that work on a call; 0 for NULL. */
FLASHVID_API int32_t flashvid_scorer_threads(const flashvid_scorer *scorer);

/* As flashvid_compressor_error. */
FLASHVID_API size_t flashvid_scorer_error(const flashvid_scorer *scorer, char *message, size_t message_capacity);

/* As flashvid_compressor_cancel and _set_time_limit; a call ends at its next head. */
FLASHVID_API flashvid_status flashvid_scorer_cancel(flashvid_scorer *scorer);
FLASHVID_API flashvid_status flashvid_scorer_set_time_limit(flashvid_scorer *scorer, double seconds);

/* As flashvid_compressor_set_progress. */
FLASHVID_API flashvid_status flashvid_scorer_set_progress(
    flashvid_scorer *scorer, flashvid_progress progress, void *context);

/*
 * Queries and keys of a vision encoder's layer, [frames, heads, tokens, width] each, finite, as they are multiplied: after
 * rotary embedding, where there is one. Every query attends to all keys of its frame: a layer with windows cannot be
 * expressed, so take one with full attention (Qwen2.5-VL's last is one). Of Qwen's encoders the tokens here are patches,
 * and flashvid_patch_grid_attention makes of their scores those of tokens.
 */
typedef struct flashvid_encoder_attention {
    /* sizeof(flashvid_encoder_attention). */
    size_t struct_size;
    const void *queries;
    const void *keys;
    flashvid_scalar query_type;
    flashvid_scalar key_type;
    /* Each at least 1; tokens and width are below 2^31. Tokens are all that a query attends to, [CLS] included. */
    int64_t frames;
    int64_t heads;
    int64_t tokens;
    /* Numbers a head. */
    int64_t width;
    /* Elements from a frame, head or token to the next, each at least `width`, and below 2^31 between tokens; 0: the
       compact layout. That of a dimension of 1 is not looked at. For [frames, tokens, heads, width] the head's is
       `width` and the token's heads * width. */
    int64_t query_frame_stride;
    int64_t query_head_stride;
    int64_t query_token_stride;
    int64_t key_frame_stride;
    int64_t key_head_stride;
    int64_t key_token_stride;
    /* Factor of the products, of magnitude 1e30 at most; 0: 1 / sqrt(width). */
    double scale;
    /* Tokens at the start of a frame that get no score, [CLS] and registers; the softmax runs over them all the same. */
    int64_t skipped_tokens;
    /* 1: only what the token `query` attends to counts, as CLIP's [CLS] row, and no query behind it needs to be there;
       0: the mean over all queries. */
    int32_t single_query;
    /* Zero. */
    int32_t reserved;
    int64_t query;
} flashvid_encoder_attention;

/*
 * What each token receives: the softmax of a query's products over the keys, as the mean over heads and queries. Writes
 * [frames, tokens - skipped_tokens] to `scores`, room for `capacity` numbers; they are what flashvid_clip.attention wants.
 * O(frames * heads * tokens^2 * width), in matrix products.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED,
 * FLASHVID_INVALID_CONFIGURATION (scale), FLASHVID_INVALID_SHAPE, FLASHVID_SIZE_OVERFLOW, FLASHVID_INVALID_STRIDE,
 * FLASHVID_MISALIGNED, FLASHVID_OVERLAP, FLASHVID_BUFFER_TOO_SMALL, FLASHVID_OUT_OF_RANGE (`query`, `skipped_tokens`),
 * FLASHVID_NOT_FINITE, FLASHVID_OUT_OF_MEMORY, FLASHVID_BUSY, FLASHVID_CANCELLED.
 */
FLASHVID_API flashvid_status flashvid_scorer_scores(
    flashvid_scorer *scorer, const flashvid_encoder_attention *attention, float *scores, int64_t capacity);

/* The last query of a language model's layer and the keys that it attends to, its own included, both after rotary
   embedding. */
typedef struct flashvid_decoder_attention {
    /* sizeof(flashvid_decoder_attention). */
    size_t struct_size;
    /* [heads, width], finite. */
    const void *query;
    /* [key_heads, key_count, width], finite; heads / key_heads neighbouring heads of the query share one. */
    const void *keys;
    flashvid_scalar query_type;
    flashvid_scalar key_type;
    int64_t heads;
    int64_t key_heads;
    int64_t key_count;
    int64_t width;
    /* Strides as in flashvid_encoder_attention. For keys [key_count, key_heads, width] the head's is `width` and the token's
       key_heads * width. */
    int64_t query_head_stride;
    int64_t key_head_stride;
    int64_t key_token_stride;
    /* As in flashvid_encoder_attention. */
    double scale;
    /* [place_count] the keys whose scores are wanted, in any order and as often as wanted; NULL with a place_count of 0:
       all; none is another pointer with a place_count of 0. */
    const void *places;
    int64_t place_count;
    flashvid_index index_type;
    /* Zero. */
    int32_t reserved;
} flashvid_decoder_attention;

/*
 * What the wanted keys receive from the last query, as the mean over heads, to `scores`, in their order: what
 * flashvid_prune wants. The softmax runs over all keys. O(heads * key_count * width).
 * Errors: as flashvid_scorer_scores; heads that key_heads does not divide are FLASHVID_INVALID_SHAPE.
 */
FLASHVID_API flashvid_status flashvid_scorer_last_query(
    flashvid_scorer *scorer, const flashvid_decoder_attention *attention, float *scores, int64_t capacity);

/*
 * Bytes of workspace that these calls take, the larger of the two, to *bytes; one of the structs may be NULL. Queries and keys
 * are not read, and may be NULL in them. As flashvid_compressor_workspace_bytes.
 * Errors: those of the calls for the structs; *bytes is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_scorer_workspace_bytes(
    const flashvid_scorer *scorer, const flashvid_encoder_attention *encoder, const flashvid_decoder_attention *decoder,
    int64_t *bytes, char *message, size_t message_capacity);

/* ------------------------------------------------------------------------------------------------------- Pooling */

/* LLaVA's poolings, stride 2, of a frame's square grid of tokens. */
typedef int32_t flashvid_pooling;
enum {
    /* Half-pixel centres, no antialiasing; an odd side rounds up. LLaVA-OneVision: 27 becomes 14. */
    FLASHVID_POOLING_BILINEAR = 0,
    /* The mean of 2 x 2; an odd last row and column are dropped. LLaVA-Video: 27 becomes 13. */
    FLASHVID_POOLING_AVERAGE = 1,
    /* The largest of 2 x 2, channel by channel, likewise. */
    FLASHVID_POOLING_MAX = 2
};

/*
 * Tokens of a pooled frame, to *count: 196 or 169 of 729.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_SHAPE (no square, or nothing is left).
 */
FLASHVID_API flashvid_status flashvid_pooled_tokens(
    flashvid_pooling pooling, int64_t tokens_per_frame, int64_t *count, char *message, size_t message_capacity);

/*
 * Pools a clip, features and attention alike: `features` has room for [token_capacity, channels] and `attention` for
 * [token_capacity] numbers, frames * flashvid_pooled_tokens at least; either may be NULL, `attention` must be where the
 * clip has none. `threads` as for a compressor.
 * What is not read, an odd last row and column, may hold anything, and attention may be negative here.
 * O(frames * tokens_per_frame * channels).
 * Errors: those of a clip and of flashvid_pooled_tokens; FLASHVID_BUFFER_TOO_SMALL, FLASHVID_OVERLAP,
 * FLASHVID_NOT_FINITE, FLASHVID_OUT_OF_MEMORY.
 */
FLASHVID_API flashvid_status flashvid_pool(
    const flashvid_clip *clip, flashvid_pooling pooling, float *features, float *attention, int64_t token_capacity,
    int32_t threads, char *message, size_t message_capacity);

/*
 * The same to numbers of any type, each rounded from float32 to the nearest, ties to even.
 * Errors: as flashvid_pool, and FLASHVID_NOT_REPRESENTABLE.
 */
FLASHVID_API flashvid_status flashvid_pool_typed(
    const flashvid_clip *clip, flashvid_pooling pooling, void *features, flashvid_scalar feature_type, void *attention,
    flashvid_scalar attention_type, int64_t token_capacity, int32_t threads, char *message, size_t message_capacity);

/* ------------------------------------------------------------------------------------------- Patches and windows */

/*
 * A frame of patches as Qwen's vision encoders see it. The patches of a token stand together; Qwen2.5-VL moreover keeps the
 * tokens of a window together: windows from left to right and from top to bottom, tokens in them likewise, and windows of
 * the last column and row as small as the grid leaves them.
 */
typedef struct flashvid_patch_grid {
    /* sizeof(flashvid_patch_grid); set by flashvid_patch_grid_preset. */
    size_t struct_size;
    /* Height and width in patches, multiples of merge_size; at most 2^24 patches. */
    int64_t rows;
    int64_t columns;
    /* Patches a side of a token. */
    int64_t merge_size;
    /* Sides in pixels; a window of 0 is none. */
    int64_t window_pixels;
    int64_t patch_pixels;
} flashvid_patch_grid;

/*
 * Fills in a model's: tokens of 2 x 2 patches; Qwen2.5-VL: windows of 112 pixels, patches of 14; Qwen3-VL: no windows,
 * patches of 16. The sides are checked when the grid is used.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_INVALID_ARGUMENT (another model).
 */
FLASHVID_API flashvid_status flashvid_patch_grid_preset(
    flashvid_patch_grid *grid, size_t struct_size, flashvid_model model, int64_t rows, int64_t columns);

/*
 * The place in the encoder's order of each token in reading order: gathering by it restores reading order. Writes
 * rows * columns / merge_size^2 integers to `order`, room for `capacity`; how many goes to *count. O(rows * columns).
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED, FLASHVID_INVALID_ARGUMENT,
 * FLASHVID_INVALID_SHAPE, FLASHVID_SIZE_OVERFLOW, FLASHVID_BUFFER_TOO_SMALL, FLASHVID_MISALIGNED, FLASHVID_OVERLAP,
 * FLASHVID_OUT_OF_MEMORY.
 */
FLASHVID_API flashvid_status flashvid_patch_grid_reading_order(
    const flashvid_patch_grid *grid, void *order, flashvid_index index_type, int64_t capacity, int64_t *count,
    char *message, size_t message_capacity);

/* The inverse: the token, in reading order, at each place of the encoder's order. */
FLASHVID_API flashvid_status flashvid_patch_grid_encoder_order(
    const flashvid_patch_grid *grid, void *order, flashvid_index index_type, int64_t capacity, int64_t *count,
    char *message, size_t message_capacity);

/*
 * Attention of tokens in reading order, each the mean of its patches': from [frames, rows * columns] finite numbers of
 * `type` in the encoder's order to [frames, tokens] in `scores`, room for `capacity` numbers.
 * Errors: as the two above, and FLASHVID_NOT_FINITE (the token is the patch).
 */
FLASHVID_API flashvid_status flashvid_patch_grid_attention(
    const flashvid_patch_grid *grid, const void *attention, flashvid_scalar type, int64_t frames, float *scores,
    int64_t capacity, char *message, size_t message_capacity);

/*
 * The same for an encoder with an order of its own: the mean of every `group` neighbours of [frames, patches_per_frame],
 * and at each place the group that `order` names: [patches_per_frame / group] for every frame alike, or that times frames
 * over the whole clip; or NULL with an order_count of 0: as they come.
 * Errors: as above, FLASHVID_OUT_OF_RANGE, FLASHVID_INVALID_ORDER.
 */
FLASHVID_API flashvid_status flashvid_group_attention(
    const void *attention, flashvid_scalar type, int64_t frames, int64_t patches_per_frame, int64_t group,
    const void *order, flashvid_index index_type, int64_t order_count, float *scores, int64_t capacity, char *message,
    size_t message_capacity);

/* ----------------------------------------------------------------------------------------------------- Gathering */

/*
 * Rows by their numbers, of any type: from [planes, length] rows of row_size bytes to [planes, count] in `gathered`, room
 * for `capacity` rows. Any order, and as often as wanted.
 *
 *     M-RoPE positions         planes 3          row_size of a position       by kept positions
 *     cache positions, mask    planes 1 or B     of a position, of a flag     by kept positions
 *     features of a window     planes F          of a token                   by reading order
 *     DeepStack rows           planes 1          of a token                   by the compression's indices
 *     hidden states            planes 1          of a state                   by the places that pruning keeps
 *     a cache's keys           planes key_heads  of a key                     by the places that pruning keeps
 *
 * O(planes * count * row_size).
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_SHAPE (planes, row_size),
 * FLASHVID_SIZE_OVERFLOW, FLASHVID_OUT_OF_RANGE, FLASHVID_BUFFER_TOO_SMALL, FLASHVID_MISALIGNED (indices),
 * FLASHVID_OVERLAP.
 */
FLASHVID_API flashvid_status flashvid_gather(
    const void *values, int64_t planes, int64_t length, size_t row_size, const void *indices, flashvid_index index_type,
    int64_t count, void *gathered, int64_t capacity, char *message, size_t message_capacity);

/*
 * The same where rows or planes do not lie side by side, as in a cache with room for more positions. Strides are the bytes
 * from a plane or a row to the next, at least row_size, in any order of the two; 0: the compact layout. That of a dimension
 * of 1 is not looked at. gathered_size is the room in `gathered`, in bytes, which reach to the end of its last row; what
 * lies between the rows there is not written, and no two of them may overlap.
 * Errors: as flashvid_gather, FLASHVID_INVALID_STRIDE.
 */
FLASHVID_API flashvid_status flashvid_gather_strided(
    const void *values, int64_t planes, int64_t length, size_t row_size, int64_t plane_stride, int64_t row_stride,
    const void *indices, flashvid_index index_type, int64_t count, void *gathered, size_t gathered_size,
    int64_t gathered_plane_stride, int64_t gathered_row_stride, char *message, size_t message_capacity);

/*
 * A mask between positions: from [planes, length, length] elements of element_size bytes to [planes, count, count] in
 * `gathered`, room for `capacity` elements. O(planes * count^2). Errors: as flashvid_gather.
 */
FLASHVID_API flashvid_status flashvid_gather_pairs(
    const void *values, int64_t planes, int64_t length, size_t element_size, const void *indices,
    flashvid_index index_type, int64_t count, void *gathered, int64_t capacity, char *message, size_t message_capacity);

/* -------------------------------------------------------------------------------------------------------- Prompt */

/* Where newline embeddings stand among a video's tokens. */
typedef int32_t flashvid_newlines;
enum {
    /* Qwen2.5-VL, Qwen3-VL. */
    FLASHVID_NEWLINES_NONE = 0,
    /* One behind the video: LLaVA-OneVision. */
    FLASHVID_NEWLINES_AFTER_VIDEO = 1,
    /* One behind each frame: LLaVA-Video, as it is compressed. */
    FLASHVID_NEWLINES_AFTER_FRAME = 2,
    /* One behind each row of `newline_columns` tokens: LLaVA-Video, as it is not compressed. A compressed frame has no such
       rows: its last newline stays and the others go. */
    FLASHVID_NEWLINES_AFTER_GRID_ROW = 3
};

/* A prompt as it would be without compression, and where the tokens of its video stand. */
typedef struct flashvid_prompt {
    /* sizeof(flashvid_prompt); set by flashvid_prompt_preset. */
    size_t struct_size;
    /* Positions of the whole prompt; at most 2^24. */
    int64_t length;
    int64_t frames;
    int64_t tokens_per_frame;
    /* Where the video stands in one piece: the position of its first token. Not looked at with one of the two lists. */
    int64_t video_start;
    flashvid_newlines newlines;
    /* With `tokens`: the id of a video token, such as Qwen's <|video_pad|>. */
    int32_t video_token;
    int64_t newline_columns;
    /* Where frames stand apart, with timestamps between (Qwen3-VL): [frames] the position of each one's first token. Or NULL. */
    const int64_t *frame_starts;
    /* [length] the ids of the prompt's tokens, to find the video's by; or NULL. Not together with frame_starts; neither goes
       with newlines. */
    const int32_t *tokens;
} flashvid_prompt;

/*
 * Fills in a model's newlines, and zero for all that is the host's to say.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_INVALID_ARGUMENT (no such model).
 */
FLASHVID_API flashvid_status flashvid_prompt_preset(
    flashvid_prompt *prompt, size_t struct_size, flashvid_model model);

/*
 * Places of the prompt that is left with row_count rows of the compressed video, to *count.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED, FLASHVID_INVALID_ARGUMENT,
 * FLASHVID_INVALID_SHAPE (the video does not fit in the prompt, or the rows not in the video), FLASHVID_SIZE_OVERFLOW,
 * FLASHVID_MISALIGNED, FLASHVID_OVERLAP, FLASHVID_OUT_OF_RANGE, FLASHVID_INVALID_ORDER, FLASHVID_OUT_OF_MEMORY.
 */
FLASHVID_API flashvid_status flashvid_prompt_count(
    const flashvid_prompt *prompt, int64_t row_count, int64_t *count, char *message, size_t message_capacity);

/* The prompt that is left: memory of the caller's, written only by a call that succeeds. */
typedef struct flashvid_kept_prompt {
    /* sizeof(flashvid_kept_prompt). */
    size_t struct_size;
    /* [capacity] the position in the original prompt of each place; ascending. */
    void *positions;
    /* [capacity] the row of the compressed video at each place, or -1 where text stands. */
    void *rows;
    /* [capacity] positions without gaps, from first_position on, for hosts with ordinary RoPE; or NULL. */
    void *renumbered;
    /* [row_count] the places that hold rows, ascending, for flashvid_decoder_attention; or NULL. */
    void *visual_places;
    /* Places for which there is room, at least flashvid_prompt_count. */
    int64_t capacity;
    int64_t first_position;
    /* [out] Places that are left. */
    int64_t count;
} flashvid_kept_prompt;

/*
 * What stays of a prompt when its video is compressed: all text, and for each row the position of its source token.
 * `indices` are those of flashvid_output; equal ones, which the published semantics give, are places of one position.
 * Integers of `index_type`, read and written. O(length).
 * Errors: those of flashvid_prompt_count; FLASHVID_BUFFER_TOO_SMALL.
 */
FLASHVID_API flashvid_status flashvid_prompt_keep(
    const flashvid_prompt *prompt, const void *indices, flashvid_index index_type, int64_t row_count,
    flashvid_kept_prompt *kept, char *message, size_t message_capacity);

/*
 * What stays after pruning inside the language model: `rows` are those of `count` places, `kept` the kept_count visual
 * tokens that stay as flashvid_prune gives them. The places that stay go to `places`, room for `capacity`, ascending; how
 * many to *place_count. Gather positions, rows, hidden states, masks and caches by them; the new rows serve to prune again.
 * O(count).
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_SHAPE (more kept than there are),
 * FLASHVID_SIZE_OVERFLOW (above 2^25 places),
 * FLASHVID_OUT_OF_RANGE, FLASHVID_INVALID_ORDER, FLASHVID_BUFFER_TOO_SMALL, FLASHVID_MISALIGNED, FLASHVID_OVERLAP,
 * FLASHVID_OUT_OF_MEMORY.
 */
FLASHVID_API flashvid_status flashvid_prompt_prune(
    const void *rows, int64_t count, const void *kept, int64_t kept_count, flashvid_index index_type, void *places,
    int64_t capacity, int64_t *place_count, char *message, size_t message_capacity);

/*
 * What stands in place of LLaVA's one video token: the numbers of the rows, and -1 for a newline embedding, in order, to
 * `rows`, room for `capacity`; how many to *count. A newline by frame stands also behind a frame without rows, and newlines
 * by grid row become newlines by frame. A video has at most 2^24 tokens. O(row_count + frames).
 * Errors: as flashvid_prompt_prune, FLASHVID_INVALID_SHAPE (also more rows than any semantics give).
 */
FLASHVID_API flashvid_status flashvid_video_rows(
    const void *indices, flashvid_index index_type, int64_t row_count, int64_t frames, int64_t tokens_per_frame,
    flashvid_newlines newlines, void *rows, int64_t capacity, int64_t *count, char *message, size_t message_capacity);

/*
 * What the language model reads at `count` places: row `rows[place]` of `tokens`, [row_count] rows of row_size bytes, or,
 * where that is -1, row `positions[place]` of `text`, [text_count]. With flashvid_video_rows, `positions` is NULL and `text`
 * the newline embedding, its one row. Goes to `embeddings`, room for `capacity` rows. O(count * row_size).
 * Errors: as flashvid_gather.
 */
FLASHVID_API flashvid_status flashvid_prompt_embeddings(
    const void *rows, const void *positions, flashvid_index index_type, int64_t count, const void *text,
    int64_t text_count, const void *tokens, int64_t row_count, size_t row_size, void *embeddings, int64_t capacity,
    char *message, size_t message_capacity);

/* ------------------------------------------------------------------------------------------------------ Planning */

/*
 * The expansion (flashvid_configuration) with which a language model's layers see `average` of what the retention ratio
 * names, when `kept_ratio` of the visual tokens stay from layer `pruning_layer` on:
 * average * layers / (pruning_layer + (layers - pruning_layer) * kept_ratio). 1.25 for an average of 1 with the authors'
 * 20 of 28 layers and 0.3, and with 28 of 36 and 0.1.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_SHAPE (layers), FLASHVID_OUT_OF_RANGE (pruning_layer),
 * FLASHVID_INVALID_CONFIGURATION (kept_ratio, average), FLASHVID_IMPOSSIBLE (no finite expansion).
 */
FLASHVID_API flashvid_status flashvid_plan_expansion(
    int64_t layers, int64_t pruning_layer, double kept_ratio, double average, double *expansion, char *message,
    size_t message_capacity);

/* The inverse: what the layers see on average at an expansion. Errors: as above (expansion). */
FLASHVID_API flashvid_status flashvid_plan_average(
    int64_t layers, int64_t pruning_layer, double kept_ratio, double expansion, double *average, char *message,
    size_t message_capacity);

/* Room for a video in a language model's context. */
typedef struct flashvid_context_budget {
    /* sizeof(flashvid_context_budget). */
    size_t struct_size;
    /* Positions that the prompt may take. */
    int64_t positions;
    /* Tokens of a frame before compression. */
    int64_t tokens_per_frame;
    /* Positions that each frame takes beside its tokens: a newline, a timestamp. */
    int64_t overhead_per_frame;
    /* Positions that are not the video's. */
    int64_t other_positions;
} flashvid_context_budget;

/*
 * Frames that fit when they are compressed, or with a NULL configuration when they are not, to *frames. With target_rows the
 * video takes so many positions whatever its length, and only overhead_per_frame grows with it.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED, FLASHVID_INVALID_CONFIGURATION,
 * FLASHVID_INVALID_SHAPE, FLASHVID_OUT_OF_RANGE, FLASHVID_SIZE_OVERFLOW, FLASHVID_IMPOSSIBLE where not one fits, or any
 * number does.
 */
FLASHVID_API flashvid_status flashvid_plan_frames(
    const flashvid_context_budget *budget, const flashvid_configuration *configuration, int64_t *frames, char *message,
    size_t message_capacity);

/*
 * The largest retention ratio with which `frames` frames fit, to *retention_ratio; the configuration's own and its
 * target_rows are not used.
 * Errors: as flashvid_plan_frames; FLASHVID_IMPOSSIBLE where they do not fit with a token each.
 */
FLASHVID_API flashvid_status flashvid_plan_retention(
    const flashvid_context_budget *budget, const flashvid_configuration *configuration, int64_t frames,
    double *retention_ratio, char *message, size_t message_capacity);

/* A video language model as a host runs it. */
typedef struct flashvid_host_model {
    /* sizeof(flashvid_host_model); set by flashvid_host_model_preset. */
    size_t struct_size;
    /* Whose configuration it takes. */
    flashvid_model model;
    /* Zero. */
    int32_t reserved;
    /* The language model, each at least 1: decoder layers, channels of a token, of the gated feed-forward network, heads of
       the queries, of the keys and values, channels of a head, positions. */
    int64_t layers;
    int64_t width;
    int64_t feed_forward_width;
    int64_t heads;
    int64_t key_value_heads;
    int64_t head_width;
    int64_t context_length;
    /* Pruning inside it: from this layer on, this share of the visual tokens stays; in (0, 1]. */
    int64_t pruning_layer;
    double kept_ratio;
    /* Its usual video: frames (Qwen: pairs of frames), tokens of each, positions beside them for each and for the video. */
    int64_t frames;
    int64_t tokens_per_frame;
    int64_t overhead_per_frame;
    int64_t overhead_per_video;
} flashvid_host_model;

/*
 * Fills in LLaVA-OneVision 7B, LLaVA-Video 7B, Qwen2.5-VL 7B or Qwen3-VL 8B.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_INVALID_ARGUMENT (no such model).
 */
FLASHVID_API flashvid_status flashvid_host_model_preset(
    flashvid_host_model *host, size_t struct_size, flashvid_model model);

/*
 * Floating-point operations, a multiplication and an addition being two, of reading a prompt: projections, causal
 * attention and the feed-forward network of every layer, with the host's pruning. To *work.
 * Errors: FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_UNSUPPORTED, FLASHVID_INVALID_ARGUMENT,
 * FLASHVID_INVALID_SHAPE, FLASHVID_OUT_OF_RANGE (pruning_layer, negative numbers of tokens),
 * FLASHVID_INVALID_CONFIGURATION (kept_ratio).
 */
FLASHVID_API flashvid_status flashvid_plan_prefill(
    const flashvid_host_model *host, int64_t visual_tokens, int64_t text_tokens, double *work, char *message,
    size_t message_capacity);

/* A video in a budget; all fields [out]. */
typedef struct flashvid_plan_row {
    /* sizeof(flashvid_plan_row), set by the caller. */
    size_t struct_size;
    /* Tokens of a frame, and of the video, that enter the language model. */
    int64_t tokens_per_frame;
    int64_t visual_tokens;
    /* Tokens of the video that a layer sees on average. */
    double average_visual_tokens;
    /* Positions of the prompt. */
    int64_t prompt_length;
    /* Operations of reading it, and their share of those without compression and pruning. */
    double prefill_work;
    double work_share;
    /* Frames that fit in the context. */
    int64_t frames_in_context;
    /* Frames whose prompt takes no more work than that of the host's frames does without compression. */
    int64_t frames_at_same_work;
} flashvid_plan_row;

/*
 * The host's video at a retention ratio, with the authors' configuration and the expansion that its pruning pays back; at
 * a ratio of 0, without compression and pruning. text_tokens are the positions that are not the video's.
 * Errors: as flashvid_plan_prefill, FLASHVID_INVALID_CONFIGURATION also for the ratio, FLASHVID_SIZE_OVERFLOW, and
 * FLASHVID_IMPOSSIBLE where not a frame fits in the context; *row is then unchanged.
 */
FLASHVID_API flashvid_status flashvid_plan_video(
    const flashvid_host_model *host, double retention_ratio, int64_t text_tokens, flashvid_plan_row *row,
    char *message, size_t message_capacity);

/*
 * The number of frames from which on compressing, at seconds_per_frame each, takes less time than it saves the language
 * model on a machine of work_per_second operations a second, to *frames.
 * Errors: as flashvid_plan_video, FLASHVID_INVALID_CONFIGURATION also for a ratio of 0, the seconds and the work;
 * FLASHVID_IMPOSSIBLE where no video of a million frames pays.
 */
FLASHVID_API flashvid_status flashvid_plan_break_even(
    const flashvid_host_model *host, double retention_ratio, double seconds_per_frame, double work_per_second,
    int64_t text_tokens, int64_t *frames, char *message, size_t message_capacity);

#ifdef __cplusplus
}
#endif

#endif
