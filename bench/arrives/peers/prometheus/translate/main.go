// Writes what Prometheus' OTLP receiver makes of a request on stdin, a series a line: its labels and its value, of a
// native histogram its sum and its count. Where the receiver would refuse the whole of it, the last line says why.
// Arguments: the translation strategy, and resource attributes to promote.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

type series struct {
	Labels map[string]string `json:"labels"`
	Value  string            `json:"value"`
	Count  uint64            `json:"count,omitempty"`
}

type printer struct{ encoder *json.Encoder }

func (p printer) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, v float64, h *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	if h != nil {
		return 1, p.encoder.Encode(series{ls.Map(), fmt.Sprint(h.Sum), h.Count})
	}
	return 1, p.encoder.Encode(series{Labels: ls.Map(), Value: fmt.Sprint(v)})
}

func (printer) Commit() error   { return nil }
func (printer) Rollback() error { return nil }

func main() {
	body, err := io.ReadAll(os.Stdin)
	check(err)
	metrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
	check(err)
	strategy := otlptranslator.TranslationStrategyOption(os.Args[1])
	receiver := config.DefaultOTLPConfig
	receiver.PromoteResourceAttributes = os.Args[2:]
	out := bufio.NewWriter(os.Stdout)
	converter := prometheusremotewrite.NewPrometheusConverter(printer{json.NewEncoder(out)})
	_, err = converter.FromMetrics(context.Background(), metrics, prometheusremotewrite.Settings{
		AddMetricSuffixes:                    strategy.ShouldAddSuffixes(),
		AllowUTF8:                            !strategy.ShouldEscape(),
		PromoteResourceAttributes:            prometheusremotewrite.NewPromoteResourceAttributes(receiver),
		PromoteScopeMetadata:                 true,
		LabelNameUnderscoreSanitization:      receiver.LabelNameUnderscoreSanitization,
		LabelNamePreserveMultipleUnderscores: receiver.LabelNamePreserveMultipleUnderscores,
	})
	if err != nil {
		fmt.Fprintf(out, "{\"refused\":%q}\n", err.Error())
	}
	check(out.Flush())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
