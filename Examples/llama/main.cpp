// Answers a question about a video with llama.cpp, with FlashVID between the vision encoder and the language model.
//
//     llama-flashvid -m qwen2.5-vl.gguf --mmproj mmproj.gguf --video clip.mp4 -p "What happens here?" --retention 0.10
//
// scripts/host-llama builds it. `--help` says the rest.
#include "host.hpp"

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

namespace {

const char *const usage = R"(usage: llama-flashvid -m MODEL --mmproj FILE --video FILE|FOLDER [options]

  -m, --model FILE        the language model (GGUF)
  --mmproj FILE           its vision encoder (GGUF)
  --video PATH            a video, read by ffmpeg, or a folder of pictures, taken by name
  -p, --prompt TEXT       the question; "Describe the video." if there is none
  -n, --predict N         at most this many tokens of answer (128)
  --retention R           share of the video's rows to keep, in (0, 1] (0.10)
  --rows K                as many rows as this, instead of a share
  --preset NAME           llava-onevision, llava-video, qwen2.5-vl or qwen3-vl; otherwise by the vision encoder
  --attention SOURCE      of the vision encoder: keys (flash attention's queries and keys), softmax (without flash
                          attention) or none
  --pool KIND             LLaVA's pooling of 27 x 27 tokens a frame: bilinear or average
  --no-flashvid           all rows, to compare
  --threads N             (the processor's cores)
  --context N             cells of the KV cache; otherwise as many as prompt and answer take
  --fps N                 frames a second out of a video (2)
  --verbose               what llama.cpp logs
)";

struct Options : host::ModelOptions {
    std::string video, prompt = "Describe the video.";
    int predict = 128;
    double retention = 0.10;
    std::int64_t rows = 0, context = 0;
    std::optional<flashvid_model> preset;
    std::optional<flashvid_pooling> pooling;
    bool flashvid = true, verbose = false;
    float fps = 2;
};

template <class Value>
Value choice(const std::string &option, const std::string &name,
             const std::vector<std::pair<std::string, Value>> &values) {
    for (const auto &[known, value] : values) {
        if (known == name) return value;
    }
    throw host::Failure(option + ": there is no " + name);
}

double number(const std::string &option, const char *text, double least, double most) {
    char *end = nullptr;
    const double value = std::strtod(text, &end);
    if (end == text || *end != 0 || !(value >= least && value <= most)) {
        throw host::Failure(option + " is not a number that it can be: " + text);
    }
    return value;
}

Options read_options(int count, char **arguments) {
    Options options;
    options.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    for (int index = 1; index < count; index += 1) {
        const std::string option = arguments[index];
        const auto value = [&] {
            if (index + 1 == count) throw host::Failure(option + " wants a value");
            return arguments[index += 1];
        };
        const auto whole = [&](double most) { return static_cast<std::int64_t>(number(option, value(), 1, most)); };
        if (option == "-m" || option == "--model") options.model = value();
        else if (option == "--mmproj") options.mmproj = value();
        else if (option == "--video") options.video = value();
        else if (option == "-p" || option == "--prompt") options.prompt = value();
        else if (option == "-n" || option == "--predict") options.predict = static_cast<int>(whole(1 << 20));
        else if (option == "--retention") options.retention = number(option, value(), 0, 1);
        else if (option == "--rows") options.rows = whole(1 << 30);
        else if (option == "--threads") options.threads = static_cast<int>(whole(64));
        else if (option == "--context") options.context = whole(1 << 24);
        else if (option == "--fps") options.fps = static_cast<float>(number(option, value(), 1e-3, 1000));
        else if (option == "--no-flashvid") options.flashvid = false;
        else if (option == "--verbose") options.verbose = true;
        else if (option == "--preset")
            options.preset = choice<flashvid_model>(option, value(),
                                                    {{"llava-onevision", FLASHVID_LLAVA_ONEVISION},
                                                     {"llava-video", FLASHVID_LLAVA_VIDEO},
                                                     {"qwen2.5-vl", FLASHVID_QWEN25_VL},
                                                     {"qwen3-vl", FLASHVID_QWEN3_VL}});
        else if (option == "--attention")
            options.attention = choice<host::AttentionSource>(option, value(),
                                                              {{"keys", host::AttentionSource::keys},
                                                               {"softmax", host::AttentionSource::softmax},
                                                               {"none", host::AttentionSource::none}});
        else if (option == "--pool")
            options.pooling = choice<flashvid_pooling>(
                option, value(), {{"bilinear", FLASHVID_POOLING_BILINEAR}, {"average", FLASHVID_POOLING_AVERAGE}});
        else if (option == "-h" || option == "--help") std::exit(std::fputs(usage, stdout) < 0);
        else throw host::Failure("no such option: " + option + "; --help lists them");
    }
    for (const auto &[name, text] :
         {std::pair{"--model", options.model}, {"--mmproj", options.mmproj}, {"--video", options.video}}) {
        if (text.empty()) throw host::Failure(std::string(name) + " is missing; --help says what there is");
    }
    options.tap = options.flashvid;
    return options;
}

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

class Clock {
public:
    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
    double lap() { return seconds() - std::exchange(last_, seconds()); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double last_ = 0;
};

void run(const Options &options) {
    host::keep_log(options.verbose);
    host::Model model(options);
    Clock clock;
    const host::Chunks chunks = host::read_prompt(model, options.video, options.prompt, options.fps);
    host::Shape shape = host::shape_of(chunks);
    const double reading = clock.lap();

    // The prompt's size is known before a frame is encoded.
    char text[256] = "";
    flashvid_configuration configuration;
    host::check(flashvid_configuration_preset(&configuration, sizeof configuration,
                                              options.preset.value_or(model.preset), options.retention),
                "the preset");
    configuration.expansion = 1;  // llama.cpp prunes nothing inside the language model that could pay more back
    configuration.target_rows = options.rows;
    if (options.pooling) shape.tokens = host::pooled_tokens(model, shape.tokens, *options.pooling);
    const std::int64_t source_rows = shape.frames * shape.tokens;
    std::int64_t rows = source_rows;
    if (options.flashvid) {
        host::check(flashvid_output_token_count(&configuration, shape.frames, shape.tokens, &rows, text, sizeof text),
                    text);
    }
    const std::int64_t needed = shape.text + rows + options.predict;
    if (options.context > 0 && needed > options.context) {
        throw host::Failure("a context of " + std::to_string(options.context) + " cells is too small: the text takes " +
                            std::to_string(shape.text) + ", the video " + std::to_string(rows) + ", the answer up to " +
                            std::to_string(options.predict));
    }
    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = static_cast<uint32_t>(options.context > 0 ? options.context : needed);
    parameters.n_threads = parameters.n_threads_batch = options.threads;
    parameters.abort_callback = [](void *) { return interrupted.load(); };
    const llama_context_ptr context(llama_init_from_model(model.language.get(), parameters));
    if (!context) throw host::Failure("cannot make a context of " + std::to_string(parameters.n_ctx) + " cells");
    clock.lap();

    host::Clip clip = host::encode(model, chunks, interrupted);
    const double encoding = clock.lap();
    if (options.pooling) clip = host::pool(model, clip, *options.pooling);
    const host::Rows kept =
        options.flashvid ? host::compress(clip, configuration, options.threads) : host::all_rows(clip);
    const double compressing = clock.lap();
    host::Batch batch(context.get());
    llama_pos position = host::prefill(batch, model, chunks, kept);
    const double prefilling = clock.lap();
    const std::int64_t cells = batch.cells();
    const double megabytes = llama_state_seq_get_size(context.get(), 0) / 1e6;
    clock.lap();

    const llama_sampler_ptr sampler(llama_sampler_init_greedy());
    const llama_vocab *vocabulary = llama_model_get_vocab(model.language.get());
    double first = 0;
    int answered = 0;
    for (; answered < options.predict; answered += 1) {
        if (!std::isfinite(llama_get_logits_ith(context.get(), -1)[0]))
            throw host::Failure("the model's logits are not finite");
        const llama_token token = llama_sampler_sample(sampler.get(), context.get(), -1);
        if (answered == 0) first = clock.lap();
        if (llama_vocab_is_eog(vocabulary, token)) break;
        char piece[256];
        const int length = llama_token_to_piece(vocabulary, token, piece, sizeof piece, 0, false);
        if (length > 0) std::fwrite(piece, 1, length, stdout), std::fflush(stdout);
        batch.token(token, position++);
        batch.finish();
    }
    std::fputs("\n", stdout);
    const double answering = clock.lap();

    std::fprintf(stderr, "video        %lld frames x %lld tokens x %lld channels, with%s attention\n",
                 (long long)clip.frames, (long long)clip.tokens, (long long)clip.channels,
                 clip.attention.empty() ? "out" : "");
    std::fprintf(stderr, "rows         %lld in, %zu out (%.1f %%)\n", (long long)source_rows, kept.indices.size(),
                 100.0 * kept.indices.size() / source_rows);
    std::fprintf(stderr, "kv cells     %lld of %u, %.3f MB\n", (long long)cells, llama_n_ctx(context.get()), megabytes);
    for (const auto &[name, seconds] : {std::pair{"read", reading},
                                        {"encode", encoding},
                                        {"compress", compressing},
                                        {"prefill", prefilling},
                                        {"first token", reading + encoding + compressing + prefilling + first}}) {
        std::fprintf(stderr, "%-12s %.3f s\n", name, seconds);
    }
    std::fprintf(stderr, "answer       %d tokens, %.2f a second\n", answered, answered / answering);
}

}  // namespace

int main(int count, char **arguments) try {
    const Options options = read_options(count, arguments);
    std::signal(SIGINT, [](int) { interrupted = true; });
    run(options);
} catch (const std::exception &error) {
    std::fprintf(stderr, "llama-flashvid: %s\n", error.what());
    return interrupted ? 130 : 1;
}
