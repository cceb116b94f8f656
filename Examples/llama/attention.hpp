// The attention of llama.cpp's vision encoder, out of its graph.
#pragma once

#include <flashvid_host.h>
#include <ggml.h>

#include <string>
#include <vector>

namespace host {

// Where the attention of the vision encoder's last layer comes from, by which FlashVID selects.
enum class AttentionSource {
    keys,     // flash attention's queries and keys, through flashvid_scorer_scores
    softmax,  // the softmax, which is a node of the graph without flash attention
    none      // FlashVID's stand-in
};

// Listens to the vision encoder through ggml's callback.
class AttentionTap {
public:
    explicit AttentionTap(int threads);
    ~AttentionTap() { flashvid_scorer_destroy(scorer_); }
    AttentionTap(const AttentionTap &) = delete;

    static bool callback(ggml_tensor *node, bool ask, void *tap);
    void begin();
    // What each patch received in the last layer since begin(), in the encoder's order; empty if nothing was heard.
    std::vector<float> take();

private:
    void read_softmax(const ggml_tensor *node);
    void read_keys(const ggml_tensor *node);

    flashvid_scorer *scorer_ = nullptr;
    int layers_ = 0, heard_ = 0;
    std::vector<char> queries_, keys_;
    std::vector<float> scores_;
    std::string error_;
};

}  // namespace host
