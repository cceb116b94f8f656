// A video through llama.cpp's vision encoder, FlashVID, and llama.cpp's language model. See host.cpp.
#pragma once

#include "attention.hpp"

#include <flashvid_host.h>
#include <llama-cpp.h>
#include <mtmd-helper.h>
#include <mtmd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace host {

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Throws what the library says of a status other than FLASHVID_OK.
void check(flashvid_status status, const char *text);

// Keeps the error that llama.cpp logs, for a Failure's text. Its log goes to stderr if `verbose`.
void keep_log(bool verbose);

struct ModelOptions {
    std::string model, mmproj;
    int threads = 1;
    AttentionSource attention = AttentionSource::keys;
    bool tap = true;  // false: the encoder runs as `attention` wants it, and nobody listens
};

struct Model {
    explicit Model(const ModelOptions &options);

    AttentionTap tap;
    flashvid_model preset = FLASHVID_LLAVA_ONEVISION;
    bool windows = false;  // Qwen2.5-VL's order of patches
    bool mrope = false;
    int threads;
    llama_model_ptr language;
    mtmd::context_ptr vision;
};

using Chunks = mtmd::input_chunks_ptr;

// The frames and the text around them: a video file through ffmpeg, `fps` frames a second, or a folder of pictures by
// name.
Chunks read_prompt(const Model &model, const std::string &path, const std::string &prompt, float fps);

struct Shape {
    std::int64_t frames = 0, tokens = 0;  // frames (Qwen: pairs), and tokens of each
    std::int64_t text = 0;                // positions besides
};

// Throws where the frames are not of one size.
Shape shape_of(const Chunks &chunks);

struct Clip {
    // Of a row's `width` numbers the first `channels` are the language model's embedding, the others DeepStack's.
    std::int64_t frames, tokens, channels, width;
    std::vector<float> features;   // [frames, tokens, width]
    std::vector<float> attention;  // [frames, tokens], or empty
};

// `interrupted` is looked at between frames.
Clip encode(Model &model, const Chunks &chunks, const std::atomic<bool> &interrupted);

// LLaVA's pooling of a square grid of tokens, and what it leaves of a frame's.
std::int64_t pooled_tokens(const Model &model, std::int64_t tokens, flashvid_pooling pooling);
Clip pool(const Model &model, const Clip &clip, flashvid_pooling pooling);

// Rows for the language model, and the source tokens (frame * tokens + token) in whose place they stand.
struct Rows {
    std::int64_t tokens, width;
    std::vector<std::int64_t> indices;
    std::vector<float> values;  // [indices.size(), width]
};

Rows all_rows(const Clip &clip);
Rows compress(const Clip &clip, const flashvid_configuration &configuration, int threads);

// Decodes tokens and rows, as many at a time as the context takes. After a Failure some of them may be in the context's
// memory: who goes on with it clears that.
class Batch {
public:
    explicit Batch(llama_context *context) : context_(context), batch_(llama_batch_ext_init(context)) {}
    void token(llama_token token, llama_pos position);
    void row(const float *values, std::size_t width, const llama_pos positions[4]);  // without M-RoPE the first counts
    void finish();                                 // decodes what waits; the logits are those of the last
    std::int64_t cells() const { return cells_; }  // of the cache that were filled

private:
    void make_room(bool for_row);
    void place(int32_t index, const llama_pos *positions);
    void flush();

    llama_context *context_;
    llama_batch_ext_ptr batch_;
    int32_t waiting_ = 0;
    bool rows_wait_ = false;
    std::int64_t cells_ = 0;
};

// Decodes the prompt with these rows in the video's place. Returns the position behind it.
llama_pos prefill(Batch &batch, const Model &model, const Chunks &chunks, const Rows &rows);

}  // namespace host
