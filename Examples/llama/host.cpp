// The host: model, frames, encode, compress, prefill. Options and the answer are in main.cpp, the attention of the
// vision encoder in attention.cpp.
#include "host.hpp"

#include <gguf.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>
#include <utility>

// mtmd.h calls itself experimental. What is used of it was read in llama.cpp 0.5.0 (of llama-cpp-python 0.3.36); where
// a struct has another size, read it again.
static_assert(sizeof(void *) != 8 ||
                  (sizeof(mtmd_context_params) == 96 && sizeof(mtmd_decoder_pos) == 16 &&
                   sizeof(mtmd_input_text) == 24 && sizeof(mtmd_helper_init_opt) == 24 &&
                   sizeof(llama_context_params) == 160 && sizeof(llama_model_params) == 80 && sizeof(llama_embd) == 24),
              "this is not the llama.cpp that the host was written for");

namespace host {

namespace {

// That llama.cpp logged in the call under way. It has one log for the process.
std::string first_error;
bool log_all = false;

void log(ggml_log_level level, const char *text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR && first_error.empty()) {
        first_error = text;
        first_error.erase(first_error.find_last_not_of(" \n") + 1);
        std::replace(first_error.begin(), first_error.end(), '\n', ' ');
    }
    if (log_all) std::fputs(text, stderr);
}

[[noreturn]] void fail(const std::string &what) {
    throw Failure(first_error.empty() ? what : what + ": " + std::exchange(first_error, {}));
}

// The name in the file: the libraries do not tell it.
std::string projector_of(const std::string &mmproj) {
    const std::unique_ptr<gguf_context, decltype(&gguf_free)> file(gguf_init_from_file(mmproj.c_str(), {true, nullptr}),
                                                                   gguf_free);
    for (const char *key : {"clip.projector_type", "clip.vision.projector_type"}) {
        const std::int64_t id = file ? gguf_find_key(file.get(), key) : -1;
        if (id >= 0 && gguf_get_kv_type(file.get(), id) == GGUF_TYPE_STRING) return gguf_get_val_str(file.get(), id);
    }
    return "";
}

flashvid_clip input_of(const Clip &clip) {
    flashvid_clip input{};
    input.struct_size = sizeof input;
    input.features = clip.features.data();
    input.frames = clip.frames;
    input.tokens_per_frame = clip.tokens;
    input.channels = clip.channels;
    input.token_stride = clip.width;
    input.frame_stride = clip.tokens * clip.width;
    input.attention = clip.attention.empty() ? nullptr : clip.attention.data();
    return input;
}

}  // namespace

void keep_log(bool verbose) {
    log_all = verbose;
    llama_log_set(log, nullptr);
    mtmd_helper_log_set(log, nullptr);
}

void check(flashvid_status status, const char *text) {
    if (status != FLASHVID_OK) throw Failure(std::string(flashvid_status_name(status)) + ": " + text);
}

// ------------------------------------------------------------------------------------------------ Model and prompt

Model::Model(const ModelOptions &options) : tap(options.threads), threads(options.threads) {
    first_error.clear();
    if (!mtmd_get_cap_from_file(options.mmproj.c_str()).inp_vision) fail("no vision encoder in " + options.mmproj);
    const std::string projector = projector_of(options.mmproj);
    windows = projector == "qwen2.5vl_merger";
    if (windows || projector == "qwen2vl_merger") preset = FLASHVID_QWEN25_VL;
    if (projector == "qwen3vl_merger") preset = FLASHVID_QWEN3_VL;

    language.reset(llama_model_load_from_file(options.model.c_str(), llama_model_default_params()));
    if (!language) fail("cannot load the model " + options.model);
    mtmd_context_params parameters = mtmd_context_params_default();
    parameters.n_threads = threads;
    if (options.attention == AttentionSource::softmax) parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    // Of other projectors the order of the patches is not known here.
    const bool known = preset != FLASHVID_LLAVA_ONEVISION || projector == "mlp";
    if (options.tap && known && options.attention != AttentionSource::none) {
        parameters.cb_eval = AttentionTap::callback;
        parameters.cb_eval_user_data = &tap;
    }
    vision.reset(mtmd_init_from_file(options.mmproj.c_str(), language.get(), parameters));
    if (!vision) fail("cannot load the vision encoder " + options.mmproj);
    mrope = mtmd_decode_use_mrope(vision.get());
    if (mtmd_decode_use_non_causal(vision.get(), nullptr)) {
        throw Failure("this model reads a frame's rows without a causal mask, which this host does not do");
    }
}

Chunks read_prompt(const Model &model, const std::string &path, const std::string &prompt, float fps) {
    first_error.clear();
    std::vector<std::string> files{path};
    if (std::filesystem::is_directory(path)) {
        files.clear();
        for (const auto &entry : std::filesystem::directory_iterator(path)) {
            if (entry.is_regular_file()) files.push_back(entry.path());
        }
        std::sort(files.begin(), files.end());
        if (files.empty()) fail("no frames in " + path);
    }
    mtmd_helper_init_opt options = mtmd_helper_init_opt_default();
    options.video_params.fps_target = fps;
    mtmd_helper::video_ptr video;  // mtmd_tokenize reads its frames
    std::vector<mtmd::bitmap_ptr> frames;
    std::vector<const mtmd_bitmap *> pointers;
    std::string text;
    for (const std::string &file : files) {
        const auto loaded = mtmd_helper_bitmap_init_from_file(model.vision.get(), file.c_str(), false, options);
        frames.emplace_back(loaded.bitmap);
        if (loaded.video_ctx) video.reset(loaded.video_ctx);
        if (!loaded.bitmap || mtmd_bitmap_is_audio(loaded.bitmap)) fail("cannot read " + file);
        if (loaded.video_ctx && files.size() > 1) fail(file + " is not a picture");
        // By their names, since two frames may be equal.
        if (!loaded.video_ctx) mtmd_bitmap_set_id(loaded.bitmap, file.c_str());
        mtmd_bitmap_set_mergeable(loaded.bitmap, true);
        pointers.push_back(loaded.bitmap);
        text += mtmd_default_marker();
    }
    text += prompt;
    if (const char *form = llama_model_chat_template(model.language.get(), nullptr)) {
        const llama_chat_message message{"user", text.c_str()};
        std::string chat(2 * text.size() + 1024, 0);
        const int length =
            llama_chat_apply_template(form, &message, 1, true, chat.data(), static_cast<int>(chat.size()));
        if (length > 0 && length <= static_cast<int>(chat.size())) text = chat.substr(0, length);
    }
    const mtmd_input_text input{text.data(), text.size(), true, true};
    Chunks chunks(mtmd_input_chunks_init());
    if (mtmd_tokenize(model.vision.get(), chunks.get(), &input, pointers.data(), pointers.size()) != 0) {
        fail("cannot read the frames of " + path);
    }
    return chunks;
}

Shape shape_of(const Chunks &chunks) {
    Shape shape;
    std::string previous;
    for (std::size_t index = 0; index < mtmd_input_chunks_size(chunks.get()); index += 1) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks.get(), index);
        const auto tokens = static_cast<std::int64_t>(mtmd_input_chunk_get_n_tokens(chunk));
        if (!mtmd_input_chunk_get_tokens_image(chunk)) {
            shape.text += tokens;
            continue;
        }
        if (shape.frames > 0 && tokens != shape.tokens) {
            throw Failure("frame " + std::to_string(shape.frames) + " has " + std::to_string(tokens) +
                          " tokens, those before it " + std::to_string(shape.tokens));
        }
        const char *id = mtmd_input_chunk_get_id(chunk);
        if (id && *id && id == previous)
            throw Failure("this vision encoder cuts frames into tiles, which is not compressed here");
        previous = id ? id : "";
        shape.tokens = tokens;
        shape.frames += 1;
    }
    if (shape.frames == 0) throw Failure("the video has no frames");
    return shape;
}

// ------------------------------------------------------------------------------------------------------- Encode

Clip encode(Model &model, const Chunks &chunks, const std::atomic<bool> &interrupted) {
    const Shape shape = shape_of(chunks);
    Clip clip{shape.frames,
              shape.tokens,
              llama_model_n_embd(model.language.get()),
              llama_model_n_embd_inp(model.language.get()),
              {},
              {}};
    clip.features.reserve(clip.frames * clip.tokens * clip.width);
    std::vector<float> patches;
    const mtmd_image_tokens *frame = nullptr;
    for (std::size_t index = 0; index < mtmd_input_chunks_size(chunks.get()); index += 1) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks.get(), index);
        if (!mtmd_input_chunk_get_tokens_image(chunk)) continue;
        if (interrupted) throw Failure("interrupted while encoding");
        frame = mtmd_input_chunk_get_tokens_image(chunk);
        first_error.clear();
        model.tap.begin();
        if (mtmd_encode_chunk(model.vision.get(), chunk) != 0) fail("the vision encoder failed");
        const float *rows = mtmd_get_output_embd(model.vision.get());  // until the next call
        clip.features.insert(clip.features.end(), rows, rows + clip.tokens * clip.width);
        const std::vector<float> scores = model.tap.take();
        patches.insert(patches.end(), scores.begin(), scores.end());
    }
    const auto seen = static_cast<std::int64_t>(patches.size()) / clip.frames;
    if (seen == clip.tokens) {
        clip.attention = std::move(patches);
    } else if (seen == 4 * clip.tokens) {
        // Qwen's tokens of 2 x 2 patches; the last one stands in the far corner of the grid.
        const mtmd_decoder_pos corner = mtmd_image_tokens_get_decoder_pos(frame, 0, clip.tokens - 1);
        const flashvid_model order = model.windows ? FLASHVID_QWEN25_VL : FLASHVID_QWEN3_VL;
        char text[256] = "";
        flashvid_patch_grid grid;
        check(flashvid_patch_grid_preset(&grid, sizeof grid, order, 2 * (corner.y + 1), 2 * (corner.x + 1)),
              "the grid");
        clip.attention.resize(clip.frames * clip.tokens);
        check(flashvid_patch_grid_attention(&grid, patches.data(), FLASHVID_FLOAT32, clip.frames, clip.attention.data(),
                                            clip.frames * clip.tokens, text, sizeof text),
              text);
    }
    return clip;
}

std::int64_t pooled_tokens(const Model &model, std::int64_t tokens, flashvid_pooling pooling) {
    if (model.mrope) throw Failure("this model's rows are not to be pooled: each has a place in the grid");
    char text[256] = "";
    std::int64_t count = 0;
    check(flashvid_pooled_tokens(pooling, tokens, &count, text, sizeof text), text);
    return count;
}

Clip pool(const Model &model, const Clip &clip, flashvid_pooling pooling) {
    Clip pooled{clip.frames, pooled_tokens(model, clip.tokens, pooling), clip.channels, clip.channels, {}, {}};
    const std::int64_t count = pooled.frames * pooled.tokens;
    pooled.features.resize(count * pooled.width);
    if (!clip.attention.empty()) pooled.attention.resize(count);
    char text[256] = "";
    const flashvid_clip input = input_of(clip);
    check(flashvid_pool(&input, pooling, pooled.features.data(),
                        clip.attention.empty() ? nullptr : pooled.attention.data(), count, model.threads, text,
                        sizeof text),
          text);
    return pooled;
}

// ---------------------------------------------------------------------------------------------- Compress and prefill

Rows all_rows(const Clip &clip) {
    Rows rows{clip.tokens, clip.width, std::vector<std::int64_t>(clip.frames * clip.tokens), clip.features};
    std::iota(rows.indices.begin(), rows.indices.end(), 0);
    return rows;
}

Rows compress(const Clip &clip, const flashvid_configuration &configuration, int threads) {
    char text[256] = "";
    std::int64_t count = 0;
    check(flashvid_output_token_count(&configuration, clip.frames, clip.tokens, &count, text, sizeof text), text);
    flashvid_compressor *compressor = nullptr;
    check(flashvid_compressor_create(&configuration, threads, &compressor, text, sizeof text), text);
    const std::unique_ptr<flashvid_compressor, decltype(&flashvid_compressor_destroy)> owner(
        compressor, flashvid_compressor_destroy);

    Rows rows{clip.tokens, clip.width, std::vector<std::int64_t>(count), std::vector<float>(count * clip.width)};
    const flashvid_clip input = input_of(clip);
    flashvid_output output{};
    output.struct_size = sizeof output;
    output.tokens = rows.values.data();
    output.row_stride = clip.width;
    output.row_capacity = count;
    output.indices = rows.indices.data();
    const flashvid_status status = flashvid_compressor_compress(compressor, &input, &output);
    flashvid_compressor_error(compressor, text, sizeof text);
    check(status, text);
    rows.indices.resize(output.row_count);
    // What DeepStack adds is not merged: it comes from the token in whose place the row stands.
    for (std::int64_t row = 0; row < output.row_count; row += 1) {
        const float *source = clip.features.data() + rows.indices[row] * clip.width;
        std::copy(source + clip.channels, source + clip.width, rows.values.data() + row * clip.width + clip.channels);
    }
    return rows;
}

llama_pos prefill(Batch &batch, const Model &model, const Chunks &chunks, const Rows &rows) {
    llama_pos position = 0;
    std::size_t row = 0;
    std::int64_t frame = 0;
    for (std::size_t index = 0; index < mtmd_input_chunks_size(chunks.get()); index += 1) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks.get(), index);
        std::size_t count = 0;
        const llama_token *text = mtmd_input_chunk_get_tokens_text(chunk, &count);
        for (std::size_t token = 0; token < count; token += 1) batch.token(text[token], position++);
        const mtmd_image_tokens *image = mtmd_input_chunk_get_tokens_image(chunk);
        if (!image) continue;
        // With M-RoPE rows, and the text behind them, stay where they were. Ordinary RoPE allows no gaps.
        const llama_pos start = position;
        for (; row < rows.indices.size() && rows.indices[row] / rows.tokens == frame; row += 1) {
            llama_pos at[4] = {position++};
            if (model.mrope) {
                const auto place = mtmd_image_tokens_get_decoder_pos(image, start, rows.indices[row] % rows.tokens);
                at[0] = place.t, at[1] = place.y, at[2] = place.x, at[3] = place.z;
            }
            batch.row(rows.values.data() + row * rows.width, rows.width, at);
        }
        if (model.mrope) position = start + mtmd_input_chunk_get_n_pos(chunk);
        frame += 1;
    }
    batch.finish();
    return position;
}

void Batch::token(llama_token token, llama_pos position) {
    make_room(false);
    place(llama_batch_ext_add_token(batch_.get(), 0, token), &position);
}

void Batch::row(const float *values, std::size_t width, const llama_pos positions[4]) {
    make_room(true);
    place(llama_batch_ext_add_embd(batch_.get(), 0, {values, 1, width}), positions);
}

void Batch::finish() {
    if (waiting_ > 0) llama_batch_ext_set_output_logits(batch_.get(), waiting_ - 1, true);
    flush();
}

// A batch holds either tokens or rows.
void Batch::make_room(bool for_row) {
    if (for_row != rows_wait_ || waiting_ == static_cast<int32_t>(llama_n_batch(context_))) flush();
    rows_wait_ = for_row;
}

void Batch::place(int32_t index, const llama_pos *positions) {
    if (index < 0 || !llama_batch_ext_set_pos(batch_.get(), index, positions)) fail("the model does not take this");
    waiting_ += 1;
}

void Batch::flush() {
    if (waiting_ == 0) return;
    first_error.clear();
    const int32_t status = llama_process(context_, LLAMA_PROCESS_TYPE_DECODE, batch_.get());
    llama_batch_ext_clear(batch_.get());
    const int32_t count = std::exchange(waiting_, 0);
    if (status == 1) throw Failure("the context of " + std::to_string(llama_n_ctx(context_)) + " cells is full");
    if (status == 2) throw Failure("interrupted while decoding");
    if (status != 0) fail("decoding failed");
    cells_ += count;
}

}  // namespace host
