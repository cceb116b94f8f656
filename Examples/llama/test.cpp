// Tests the host's core on a model of random weights.
//
//     host-test MODEL MMPROJ FRAMES OUTPUT.safetensors
//
// The last is written: the clip that was compressed and what was kept of it, for test.py to compare with the file tool.
#include "host.hpp"

#include <ggml-backend.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>

namespace {

int failures = 0;

void expect(bool holds, const std::string &what) {
    std::printf("%s  %s\n", holds ? "ok  " : "FAIL", what.c_str());
    failures += !holds;
}

// That it throws, and says `part`.
void expect_failure(const std::string &what, const std::string &part, const std::function<void()> &work) {
    std::string text = "nothing";
    try {
        work();
    } catch (const host::Failure &failure) {
        text = failure.what();
    }
    expect(text.find(part) != std::string::npos, what + ": " + text);
}

struct Abort {
    int calls = 0, allowed = -1;
    static bool callback(void *self) {
        auto &abort = *static_cast<Abort *>(self);
        return abort.allowed >= 0 && ++abort.calls > abort.allowed;
    }
};

llama_context_ptr context(const host::Model &model, std::int64_t cells, std::int64_t batch, Abort *abort = nullptr) {
    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = cells;
    parameters.n_batch = parameters.n_ubatch = batch;
    parameters.n_threads = parameters.n_threads_batch = 1;
    if (abort) parameters.abort_callback = Abort::callback, parameters.abort_callback_data = abort;
    return llama_context_ptr(llama_init_from_model(model.language.get(), parameters));
}

// Of the last token, and of the four that are answered after it.
std::vector<float> logits(llama_context *context, llama_pos position) {
    const std::size_t size = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context)));
    std::vector<float> all;
    host::Batch batch(context);
    for (int token = 0;; token += 1) {
        const float *last = llama_get_logits_ith(context, -1);
        all.insert(all.end(), last, last + size);
        if (token == 4) return all;
        batch.token(static_cast<llama_token>(std::max_element(last, last + size) - last), position++);
        batch.finish();
    }
}

std::vector<float> host_logits(const host::Model &model, const host::Chunks &chunks, const host::Rows &rows,
                               llama_context *context) {
    host::Batch batch(context);
    return logits(context, host::prefill(batch, model, chunks, rows));
}

bool equal(const std::vector<float> &one, const std::vector<float> &other) {
    return one.size() == other.size() && std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

// 1. All rows, batch by batch as llama.cpp's helper takes them, give its logits to the last bit; other positions do
// not.
void test_positions(host::Model &model, const host::Chunks &chunks, const host::Clip &clip, const host::Shape &shape,
                    const host::Rows &kept) {
    const std::int64_t cells = shape.text + shape.frames * shape.tokens + 8;
    const auto helper = context(model, cells, shape.tokens);
    llama_pos end = 0;
    const int status = mtmd_helper_eval_chunks(model.vision.get(), helper.get(), chunks.get(), 0, 0,
                                               static_cast<int>(llama_n_batch(helper.get())), true, &end);
    expect(status == 0, "mtmd_helper_eval_chunks");
    const std::vector<float> theirs = logits(helper.get(), end);
    const host::Rows all = host::all_rows(clip);
    expect(equal(theirs, host_logits(model, chunks, all, context(model, cells, shape.tokens).get())),
           "logits of all rows equal the helper's to the last bit");
    const std::vector<float> whole = host_logits(model, chunks, all, context(model, cells, 512).get());
    float difference = 0, largest = 0;
    for (std::size_t index = 0; index < whole.size(); index += 1) {
        difference = std::max(difference, std::abs(whole[index] - theirs[index]));
        largest = std::max(largest, std::abs(theirs[index]));
    }
    expect(difference <= 0.01f * largest, "in batches of another size by " + std::to_string(difference / largest));

    using Change = std::function<void(llama_pos *, llama_pos, std::int64_t)>;
    // Over every token of every frame, not over the rows: its place is asked of llama.cpp, and a row may stand there.
    const auto walk = [&](const host::Rows &rows, const Change &change) {
        const auto other = context(model, cells, shape.tokens);
        host::Batch batch(other.get());
        llama_pos position = 0;
        std::int64_t source = 0;
        for (std::size_t index = 0; index < mtmd_input_chunks_size(chunks.get()); index += 1) {
            const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks.get(), index);
            std::size_t count = 0;
            const llama_token *tokens = mtmd_input_chunk_get_tokens_text(chunk, &count);
            for (std::size_t token = 0; token < count; token += 1) batch.token(tokens[token], position++);
            const mtmd_image_tokens *image = mtmd_input_chunk_get_tokens_image(chunk);
            llama_pos next = position;
            for (std::int64_t token = 0; image && token < shape.tokens; token += 1, source += 1) {
                const auto row =
                    std::lower_bound(rows.indices.begin(), rows.indices.end(), source) - rows.indices.begin();
                if (row == static_cast<std::int64_t>(rows.indices.size()) || rows.indices[row] != source) continue;
                const auto place = mtmd_image_tokens_get_decoder_pos(image, position, token);
                llama_pos at[] = {next++, 0, 0, 0};
                if (model.mrope) at[0] = place.t, at[1] = place.y, at[2] = place.x;
                change(at, position, token);
                batch.row(rows.values.data() + row * rows.width, rows.width, at);
            }
            if (image) position = model.mrope ? position + mtmd_input_chunk_get_n_pos(chunk) : next;
        }
        batch.finish();
        return logits(other.get(), position);
    };
    const auto with = [&](const Change &change) { return walk(all, change); };
    expect(equal(theirs, with([](auto...) {})), "the test's own walk gives them too");
    expect(
        equal(walk(kept, [](auto...) {}), host_logits(model, chunks, kept, context(model, cells, shape.tokens).get())),
        "and of the kept rows what the host's gives");
    if (model.mrope) {
        expect(!equal(theirs, with([](llama_pos *at, llama_pos, std::int64_t) { std::swap(at[1], at[2]); })),
               "rows and columns exchanged differ");
        expect(!equal(theirs, with([](llama_pos *at, llama_pos start, std::int64_t) { at[1] = at[2] = start; })),
               "a position in time alone differs");
    } else {
        expect_failure("ordinary RoPE refuses a gap", "decoding failed",
                       [&] { with([](llama_pos *at, llama_pos, std::int64_t token) { at[0] += token > 3; }); });
    }
}

std::size_t bytes(llama_context *context) { return llama_state_seq_get_size(context, 0); }

// 2. The cache holds fewer cells by exactly the rows that were dropped, counted by the size of its saved state.
void test_cells(host::Model &model, const host::Chunks &chunks, const host::Clip &clip, const host::Shape &shape,
                const host::Rows &kept) {
    const std::int64_t cells = shape.text + shape.frames * shape.tokens + 8;
    const auto text = context(model, cells, 512), all = context(model, cells, 512), few = context(model, cells, 512);
    host::Batch batch(text.get());
    const auto size_of = [&](llama_pos from, llama_pos to) {
        for (llama_pos position = from; position < to; position += 1) batch.token(0, position);
        batch.finish();
        return bytes(text.get());
    };
    const std::size_t ten = size_of(0, 10), eleven = size_of(10, 11), cell = eleven - ten;
    host::Batch all_batch(all.get()), few_batch(few.get());
    host::prefill(all_batch, model, chunks, host::all_rows(clip));
    host::prefill(few_batch, model, chunks, kept);
    const std::int64_t dropped = clip.frames * clip.tokens - static_cast<std::int64_t>(kept.indices.size());
    expect(bytes(all.get()) - bytes(few.get()) == dropped * cell,
           std::to_string(dropped) + " rows dropped are as many cells of " + std::to_string(cell) + " bytes");
    expect(all_batch.cells() == shape.text + clip.frames * clip.tokens &&
               all_batch.cells() - few_batch.cells() == dropped &&
               bytes(all.get()) == ten + (all_batch.cells() - 10) * cell,
           "and the host counts as llama.cpp does");
}

// 4. Frames that keep nothing, in the middle and at the end.
void test_empty_frames(host::Model &model, const host::Chunks &chunks, const host::Clip &clip,
                       const host::Shape &shape) {
    const host::Rows all = host::all_rows(clip);
    host::Rows few{all.tokens, all.width, {1, 2, 3 * all.tokens - 1}, {}};
    for (const std::int64_t index : few.indices) {
        few.values.insert(few.values.end(), all.values.begin() + index * all.width,
                          all.values.begin() + (index + 1) * all.width);
    }
    const auto empty = context(model, shape.text + 16, 512);
    host::Batch batch(empty.get());
    const llama_pos end = host::prefill(batch, model, chunks, few);
    llama_pos whole = 0;
    for (std::size_t index = 0; index < mtmd_input_chunks_size(chunks.get()); index += 1) {
        whole += mtmd_input_chunk_get_n_pos(mtmd_input_chunks_get(chunks.get(), index));
    }
    expect(end == (model.mrope ? whole : shape.text + 3) && batch.cells() == shape.text + 3,
           "three rows of two frames: " + std::to_string(batch.cells()) + " cells, text goes on at " +
               std::to_string(end));
    const std::vector<float> answer = logits(empty.get(), end);
    expect(std::all_of(answer.begin(), answer.end(), [](float logit) { return std::isfinite(logit); }),
           "and it answers");
}

// 6. What fails in the middle leaves a context that can be used again.
void test_faults(host::Model &model, const host::Chunks &chunks, const host::Clip &clip, const host::Shape &shape,
                 const host::Rows &kept, const flashvid_configuration &configuration) {
    host::Clip broken = clip;
    broken.features[3 * clip.width + 1] = std::nanf("");
    expect_failure("a number that is none", "FLASHVID_NOT_FINITE", [&] { host::compress(broken, configuration, 1); });

    std::atomic<bool> interrupted{true};
    expect_failure("interrupted at a frame", "interrupted while encoding",
                   [&] { host::encode(model, chunks, interrupted); });

    const std::int64_t cells = shape.text + static_cast<std::int64_t>(kept.indices.size()) + 8;
    const std::vector<float> expected = host_logits(model, chunks, kept, context(model, cells, 512).get());
    const auto small = context(model, cells, 512);
    expect_failure("a context that is too small", "cells is full", [&] {
        host::Batch batch(small.get());
        llama_pos position = host::prefill(batch, model, chunks, kept);
        for (std::uint32_t cell = 0; cell < llama_n_ctx(small.get()); cell += 1) batch.token(0, position++);
        batch.finish();
    });
    llama_memory_clear(llama_get_memory(small.get()), true);
    expect(equal(expected, host_logits(model, chunks, kept, small.get())), "then, cleared, it takes what fits");

    Abort abort;
    const auto stopped = context(model, cells, 512, &abort);
    host::Batch batch(stopped.get());
    logits(stopped.get(), host::prefill(batch, model, chunks, kept));
    llama_memory_clear(llama_get_memory(stopped.get()), true);
    abort.allowed = 4;
    expect_failure("an interrupted decode", "interrupted while decoding",
                   [&] { host::prefill(batch, model, chunks, kept); });
    abort.allowed = -1;
    llama_memory_clear(llama_get_memory(stopped.get()), true);
    expect(equal(expected, logits(stopped.get(), host::prefill(batch, model, chunks, kept))),
           "then, cleared, the same batch decodes as before");
}

// Attention from flash attention's queries and keys, which it rounds to float16, is that of the softmax.
void test_attention(const host::ModelOptions &options, const host::Chunks &chunks, const host::Clip &clip) {
    host::ModelOptions other = options;
    other.attention = host::AttentionSource::softmax;
    host::Model model(other);
    const host::Clip softmax = host::encode(model, chunks, false);
    expect(clip.attention.size() == static_cast<std::size_t>(clip.frames * clip.tokens) &&
               softmax.attention.size() == clip.attention.size(),
           "both ways give every token attention");
    float difference = 0, least = 1, most = 0;
    for (std::size_t token = 0; token < clip.attention.size(); token += 1) {
        difference =
            std::max(difference, std::abs(clip.attention[token] - softmax.attention[token]) / softmax.attention[token]);
        least = std::min(least, softmax.attention[token]);
        most = std::max(most, softmax.attention[token]);
    }
    expect(difference < 0.01f * (most / least - 1), "and differ by " + std::to_string(difference) +
                                                        " where tokens differ by " + std::to_string(most / least - 1));
}

// Qwen2.5-VL keeps the tokens of a window together. Its last node puts the rows into reading order: by the same order
// as flashvid_patch_grid_reading_order, by which the host's attention goes.
struct LastGather {
    std::vector<float> before, after;
    static bool callback(ggml_tensor *tensor, bool ask, void *self) {
        if (tensor->op != GGML_OP_GET_ROWS) return false;
        if (ask) return true;
        auto &gather = *static_cast<LastGather *>(self);
        for (const auto &[from, to] : {std::pair{tensor->src[0], &gather.before}, {tensor, &gather.after}}) {
            to->resize(ggml_nelements(from));
            ggml_backend_tensor_get(from, to->data(), 0, to->size() * sizeof(float));
        }
        return true;
    }
};

void test_windows(const host::ModelOptions &options, host::Model &model, const host::Chunks &chunks,
                  const host::Clip &clip, const host::Shape &shape) {
    LastGather gather;
    mtmd_context_params parameters = mtmd_context_params_default();
    parameters.n_threads = 1;
    parameters.cb_eval = LastGather::callback;
    parameters.cb_eval_user_data = &gather;
    const mtmd::context_ptr vision(mtmd_init_from_file(options.mmproj.c_str(), model.language.get(), parameters));
    const mtmd_input_chunk *chunk = nullptr;
    for (std::size_t index = 0; !chunk; index += 1) {
        const mtmd_input_chunk *next = mtmd_input_chunks_get(chunks.get(), index);
        if (mtmd_input_chunk_get_type(next) == MTMD_INPUT_CHUNK_TYPE_IMAGE) chunk = next;
    }
    expect(mtmd_encode_chunk(vision.get(), chunk) == 0, "one frame through windows");
    const auto corner =
        mtmd_image_tokens_get_decoder_pos(mtmd_input_chunk_get_tokens_image(chunk), 0, shape.tokens - 1);
    flashvid_patch_grid grid;
    flashvid_patch_grid_preset(&grid, sizeof grid, FLASHVID_QWEN25_VL, 2 * (corner.y + 1), 2 * (corner.x + 1));
    std::vector<std::int64_t> order(shape.tokens);
    std::int64_t count = 0;
    char text[256] = "";
    host::check(
        flashvid_patch_grid_reading_order(&grid, order.data(), FLASHVID_INT64, shape.tokens, &count, text, sizeof text),
        text);
    const std::size_t width = gather.after.size() / shape.tokens;
    std::vector<float> gathered(gather.after.size());
    host::check(flashvid_gather(gather.before.data(), 1, shape.tokens, width * sizeof(float), order.data(),
                                FLASHVID_INT64, shape.tokens, gathered.data(), shape.tokens, text, sizeof text),
                text);
    expect(equal(gathered, gather.after) && !equal(gather.before, gather.after), "llama.cpp's windows are flashvid's");

    // So goes the attention: what it is without windows, in that order.
    model.windows = false;
    const host::Clip unordered = host::encode(model, chunks, false);
    model.windows = true;
    bool ordered = clip.attention != unordered.attention;
    for (std::int64_t token = 0; token < clip.frames * clip.tokens; token += 1) {
        const std::int64_t frame = token / clip.tokens * clip.tokens;
        ordered &= clip.attention[token] == unordered.attention[frame + order[token % clip.tokens]];
    }
    expect(ordered, "and the attention is put into reading order");
}

// The clip and what was kept, as safetensors.
void save(const std::string &path, const host::Clip &clip, const host::Rows &kept) {
    std::vector<float> features, tokens;
    const auto narrow = [&](const std::vector<float> &wide, std::vector<float> &into) {
        for (std::size_t row = 0; row < wide.size(); row += clip.width) {
            into.insert(into.end(), wide.begin() + row, wide.begin() + row + clip.channels);
        }
    };
    narrow(clip.features, features);
    narrow(kept.values, tokens);
    std::string header, data;
    const auto add = [&](const char *name, const char *type, std::vector<std::int64_t> shape, const void *values,
                         std::size_t size) {
        std::string dimensions;
        for (const std::int64_t side : shape) dimensions += (dimensions.empty() ? "" : ",") + std::to_string(side);
        header += (header.empty() ? "{\"" : ",\"") + std::string(name) + "\":{\"dtype\":\"" + type + "\",\"shape\":[" +
                  dimensions + "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
                  std::to_string(data.size() + size) + "]}";
        data.append(static_cast<const char *>(values), size);
    };
    const auto rows = static_cast<std::int64_t>(kept.indices.size());
    add("features", "F32", {clip.frames, clip.tokens, clip.channels}, features.data(), features.size() * sizeof(float));
    add("attention", "F32", {clip.frames, clip.tokens}, clip.attention.data(), clip.attention.size() * sizeof(float));
    add("kept_indices", "I64", {rows}, kept.indices.data(), rows * sizeof(std::int64_t));
    add("kept_tokens", "F32", {rows, clip.channels}, tokens.data(), tokens.size() * sizeof(float));
    header += "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    const std::uint64_t length = header.size();
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(&length), sizeof length) << header << data;
    expect(file.good(), "wrote " + path);
}

}  // namespace

int main(int count, char **arguments) try {
    if (count != 5) return std::fputs("usage: host-test MODEL MMPROJ FRAMES OUTPUT\n", stderr), 2;
    host::keep_log(false);
    host::ModelOptions options;
    options.model = arguments[1];
    options.mmproj = arguments[2];
    host::Model model(options);
    const host::Chunks chunks = host::read_prompt(model, arguments[3], "What is this?", 2);
    const host::Shape shape = host::shape_of(chunks);
    const host::Clip clip = host::encode(model, chunks, false);

    flashvid_configuration configuration;
    flashvid_configuration_preset(&configuration, sizeof configuration, model.preset, 0.10);
    configuration.expansion = 1;
    const host::Rows kept = host::compress(clip, configuration, 1);
    bool carried = true;
    for (std::size_t row = 0; row < kept.indices.size(); row += 1) {
        carried &= std::equal(clip.features.begin() + kept.indices[row] * clip.width + clip.channels,
                              clip.features.begin() + (kept.indices[row] + 1) * clip.width,
                              kept.values.begin() + row * clip.width + clip.channels);
    }
    expect(carried,
           "what DeepStack adds, " + std::to_string(clip.width - clip.channels) + " numbers a row, comes along");

    test_positions(model, chunks, clip, shape, kept);
    test_cells(model, chunks, clip, shape, kept);
    test_empty_frames(model, chunks, clip, shape);
    test_faults(model, chunks, clip, shape, kept, configuration);
    // The first frame was tapped in every layer, those of now in the last alone.
    expect(host::encode(model, chunks, false).attention == clip.attention, "the second time the attention is the same");
    test_attention(options, chunks, clip);
    if (model.windows) test_windows(options, model, chunks, clip, shape);
    save(arguments[4], clip, kept);
    return failures != 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "host-test: %s\n", error.what());
    return 1;
}
