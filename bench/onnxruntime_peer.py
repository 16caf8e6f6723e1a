"""The peer of `fastptm bench engine`: onnxruntime on the same encoder shape, with the operators its own optimiser fuses to.

Needs: pip install onnxruntime onnx numpy. Prints one JSON line: {"sequences_per_s", "median_us", "minimum_us"}.
With --graph plain the encoder is written with standard operators and left to onnxruntime's optimiser.
"""
import argparse
import json
import os
import statistics
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SHAPES = {
    "bert-base": dict(hidden=768, layers=12, heads=12, intermediate=3072),
    "minilm": dict(hidden=384, layers=6, heads=12, intermediate=1536),
}
VOCABULARY, POSITIONS, EPSILON = 30522, 512, 1e-12


class Graph:
    """Nodes and seeded weights as they are added."""

    def __init__(self, seed=1):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        name = f"constant_{self.count}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, *shape):
        return self.constant(self.random.normal(0, 0.02, shape).astype(np.float32))

    def scale(self, size):
        return self.constant(self.random.normal(1, 0.02, size).astype(np.float32))

    def add(self, operator, inputs, domain="", outputs=1, **attributes):
        self.count += 1
        names = [f"value_{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0]

    def fused(self, operator, inputs, outputs=1, **attributes):
        return self.add(operator, inputs, "com.microsoft", outputs, **attributes)


def fused_layer(g, x, hidden, heads, intermediate):
    a = g.fused("Attention", [x, g.weight(hidden, 3 * hidden), g.weight(3 * hidden)], num_heads=heads)
    a = g.add("MatMul", [a, g.weight(hidden, hidden)])
    x = g.fused("SkipLayerNormalization", [a, x, g.scale(hidden), g.weight(hidden), g.weight(hidden)], epsilon=EPSILON)
    h = g.fused("BiasGelu", [g.add("MatMul", [x, g.weight(hidden, intermediate)]), g.weight(intermediate)])
    h = g.add("MatMul", [h, g.weight(intermediate, hidden)])
    return g.fused("SkipLayerNormalization", [h, x, g.scale(hidden), g.weight(hidden), g.weight(hidden)],
                   epsilon=EPSILON)


def plain_layer(g, x, hidden, heads, intermediate):
    def linear(value, inputs, outputs):
        return g.add("Add", [g.add("MatMul", [value, g.weight(inputs, outputs)]), g.weight(outputs)])

    def by_head(value, order):
        split = g.add("Reshape", [value, g.constant(np.array([0, 0, heads, hidden // heads], np.int64))])
        return g.add("Transpose", [split], perm=order)

    def norm(value):
        return g.add("LayerNormalization", [value, g.scale(hidden), g.weight(hidden)], axis=-1, epsilon=EPSILON)

    q, v = (by_head(linear(x, hidden, hidden), [0, 2, 1, 3]) for _ in range(2))
    k = by_head(linear(x, hidden, hidden), [0, 2, 3, 1])
    root = g.constant(np.float32((hidden // heads) ** 0.5))
    scores = g.add("Softmax", [g.add("Div", [g.add("MatMul", [q, k]), root])], axis=-1)
    a = g.add("Transpose", [g.add("MatMul", [scores, v])], perm=[0, 2, 1, 3])
    a = g.add("Reshape", [a, g.constant(np.array([0, 0, hidden], np.int64))])
    x = norm(g.add("Add", [linear(a, hidden, hidden), x]))
    h = g.add("Gelu", [linear(x, hidden, intermediate)])
    return norm(g.add("Add", [linear(h, intermediate, hidden), x]))


def model(shape, layer):
    g, hidden = Graph(), shape["hidden"]
    tables = [g.weight(VOCABULARY, hidden), g.weight(POSITIONS, hidden), g.weight(2, hidden)]
    x = g.fused("EmbedLayerNormalization", ["ids", "types", *tables, g.scale(hidden), g.weight(hidden)], 2,
                epsilon=EPSILON)
    for _ in range(shape["layers"]):
        x = layer(g, x, hidden, shape["heads"], shape["intermediate"])
    g.nodes.append(helper.make_node("ReduceMean", [x, g.constant(np.array([1], np.int64))], ["pooled"], keepdims=0))
    tokens = [helper.make_tensor_value_info(n, TensorProto.INT32, ["batch", "length"]) for n in ("ids", "types")]
    pooled = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", hidden])
    graph = helper.make_graph(g.nodes, "encoder", tokens, [pooled], g.weights)
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def session(arch, threads, graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "encoder.onnx")
        onnx.save(model(SHAPES[arch], plain_layer if graph == "plain" else fused_layer), path)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=SHAPES, default="bert-base")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--graph", choices=["fused", "plain"], default="fused")
    a = parser.parse_args()
    run = session(a.arch, a.threads, a.graph)
    ids = np.random.default_rng(2).integers(0, VOCABULARY, (a.batch, a.seq), dtype=np.int32)
    inputs = {"ids": ids, "types": np.zeros_like(ids)}
    # One thread: its own processor time, so that neighbours on the core do not count. More: wall clock.
    clock = time.thread_time if a.threads == 1 else time.perf_counter
    times = []
    for repetition in range(a.repetitions + 2):
        start = clock()
        run.run(None, inputs)
        if repetition >= 2:
            times.append(clock() - start)
    median = statistics.median(times)
    print(json.dumps({"sequences_per_s": round(a.batch / median, 3), "median_us": round(median * 1e6),
                      "minimum_us": round(min(times) * 1e6)}))


if __name__ == "__main__":
    main()
