// Compresses a video as its frames come, through libflashvid, with handles that free themselves.
//
//     c++ -std=c++17 host.cpp -o host $(pkg-config --cflags --libs flashvid) && ./host
#include <flashvid.h>

#include <cstdint>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// A status as an exception, with the library's text.
void check(flashvid_status status, const std::string &text = {}) {
    if (status != FLASHVID_OK) throw std::runtime_error(std::string(flashvid_status_name(status)) + ": " + text);
}

class Stream {
public:
    Stream(const flashvid_configuration &configuration, std::int64_t tokens, std::int64_t channels) {
        flashvid_stream *made = nullptr;
        char message[256] = "";
        check(flashvid_stream_create(&configuration, tokens, channels, FLASHVID_FLOAT32, 0, &made, message, sizeof message),
              message);
        handle_.reset(made);
    }

    void push(const flashvid_clip &frame) { check(flashvid_stream_push(handle_.get(), &frame, 0, nullptr), error()); }

    void finish() { check(flashvid_stream_finish(handle_.get())); }

    // False if no segment is closed.
    bool next(flashvid_output &output) {
        const flashvid_status status = flashvid_stream_next(handle_.get(), &output);
        if (status == FLASHVID_NO_SEGMENT) return false;
        check(status, error());
        return true;
    }

private:
    struct Destroy {
        // Ends and awaits a call that another thread has begun.
        void operator()(flashvid_stream *stream) const { flashvid_stream_close(stream); }
    };

    std::string error() const {
        char message[256] = "";
        flashvid_stream_error(handle_.get(), message, sizeof message);
        return message;
    }

    std::unique_ptr<flashvid_stream, Destroy> handle_;
};

}  // namespace

int main() try {
    constexpr std::int64_t frames = 40, tokens = 49, channels = 64, longest = 16;

    flashvid_configuration configuration;
    check(flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_QWEN25_VL, 0.10));
    configuration.maximum_segment_frames = longest;

    // Room for the longest segment.
    std::int64_t rows = 0;
    check(flashvid_output_token_count(&configuration, longest, tokens, &rows, nullptr, 0));
    std::vector<float> values(static_cast<std::size_t>(rows * channels));
    std::vector<std::int32_t> indices(static_cast<std::size_t>(rows));
    flashvid_output output{};
    output.struct_size = sizeof output;
    output.tokens = values.data();
    output.indices = indices.data();
    output.index_type = FLASHVID_INT32;
    output.row_capacity = rows;

    Stream stream(configuration, tokens, channels);
    const auto print = [&] {
        while (stream.next(output)) {
            std::cout << "segment at frame " << output.first_frame << ": " << output.row_count << " rows, the first of token "
                      << indices[0] << '\n';
        }
    };
    std::vector<float> frame(static_cast<std::size_t>(tokens * channels));
    for (std::int64_t number = 0; number < frames; number += 1) {
        // What the vision encoder gives; here, a pattern that moves, and another from frame 24 on.
        for (std::size_t place = 0; place < frame.size(); place += 1) {
            const auto token = (static_cast<std::int64_t>(place) / channels + number) % tokens;
            const auto channel = static_cast<std::int64_t>(place) % channels;
            frame[place] = static_cast<float>((token * (channel + 3)) % 17) + (number < 24 ? 1.0f : -20.0f);
        }
        flashvid_clip clip{};
        clip.struct_size = sizeof clip;
        clip.features = frame.data();
        clip.frames = 1;
        clip.tokens_per_frame = tokens;
        clip.channels = channels;
        stream.push(clip);
        print();
    }
    stream.finish();
    print();
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
