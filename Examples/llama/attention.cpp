// Listens to the vision encoder while it computes, for what its last layer attends to.
#include "attention.hpp"

#include <ggml-backend.h>

#include <cstring>
#include <utility>

#include "host.hpp"

namespace host {

AttentionTap::AttentionTap(int threads) {
    char text[256] = "";
    check(flashvid_scorer_create(threads, &scorer_, text, sizeof text), text);
}

// ggml asks of each node whether it is wanted, and hands out those that are once they are computed.
bool AttentionTap::callback(ggml_tensor *node, bool ask, void *self) {
    auto &tap = *static_cast<AttentionTap *>(self);
    if (node->op != GGML_OP_SOFT_MAX && node->op != GGML_OP_FLASH_ATTN_EXT) return !ask;
    // The first frame counts the layers, and so each is taken; of other frames only the last.
    if (ask) return ++tap.heard_ == tap.layers_ || tap.layers_ == 0;
    try {
        node->op == GGML_OP_SOFT_MAX ? tap.read_softmax(node) : tap.read_keys(node);
    } catch (const std::exception &error) {
        tap.error_ = error.what();  // no exception may go through ggml: take() throws it
    }
    return true;
}

void AttentionTap::begin() { heard_ = 0, scores_.clear(), error_.clear(); }

std::vector<float> AttentionTap::take() {
    layers_ = heard_;
    if (!error_.empty()) throw Failure("attention of the vision encoder: " + error_);
    return std::move(scores_);
}

void AttentionTap::read_softmax(const ggml_tensor *node) {
    // [heads, queries, keys]: the mean over heads and queries.
    const std::size_t keys = node->ne[0], rows = ggml_nrows(node);
    std::vector<float> weights(rows * keys);
    ggml_backend_tensor_get(node, weights.data(), 0, ggml_nbytes(node));
    scores_.assign(keys, 0);
    for (std::size_t row = 0; row < rows; row += 1) {
        for (std::size_t key = 0; key < keys; key += 1)
            scores_[key] += weights[row * keys + key] / static_cast<float>(rows);
    }
}

void AttentionTap::read_keys(const ggml_tensor *node) {
    const ggml_tensor *query = node->src[0], *key = node->src[1], *mask = node->src[3];
    const bool half = key->type == GGML_TYPE_F16;
    scores_.clear();
    // A mask is not the scorer's to know; a head of keys for several of queries neither.
    if (mask || query->ne[2] != key->ne[2] || query->type != GGML_TYPE_F32 || !(half || key->type == GGML_TYPE_F32))
        return;
    queries_.resize(ggml_nbytes(query));
    keys_.resize(ggml_nbytes(key));
    ggml_backend_tensor_get(query, queries_.data(), 0, queries_.size());
    ggml_backend_tensor_get(key, keys_.data(), 0, keys_.size());
    float scale;
    std::memcpy(&scale, node->op_params, sizeof scale);
    // In ggml's order [width, tokens, heads], with strides in bytes.
    const std::int64_t size = half ? 2 : 4, query_bytes = 4;
    flashvid_encoder_attention attention{};
    attention.struct_size = sizeof attention;
    attention.queries = queries_.data(), attention.keys = keys_.data();
    attention.key_type = half ? FLASHVID_FLOAT16 : FLASHVID_FLOAT32;
    attention.frames = 1, attention.heads = query->ne[2], attention.tokens = query->ne[1],
    attention.width = query->ne[0];
    attention.query_head_stride = query->nb[2] / query_bytes, attention.query_token_stride = query->nb[1] / query_bytes;
    attention.key_head_stride = key->nb[2] / size, attention.key_token_stride = key->nb[1] / size;
    attention.scale = scale;
    scores_.resize(attention.tokens);
    char text[256] = "";
    const flashvid_status status = flashvid_scorer_scores(scorer_, &attention, scores_.data(), attention.tokens);
    flashvid_scorer_error(scorer_, text, sizeof text);
    check(status, text);
}

}  // namespace host
