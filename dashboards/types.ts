// What our dashboards may hold, in Grafana's own types: tests make a JSON schema of it. Grafana types
// what panels have in common, and the options and custom fields of each kind. Of queries it says
// only that they are objects: what its Prometheus plugin understands is added here.

import * as raw from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import * as timeseries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import * as table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import * as heatmap from './node_modules/@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';

interface Query {
  datasource: raw.DataSourceRef;
  editorMode: 'code';
  exemplar?: boolean;
  expr: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range?: boolean;
  refId: string;
}
type Shown<Type extends string, Options, Custom> =
  Omit<raw.Panel, 'type' | 'options' | 'targets' | 'fieldConfig'> & {
    type: Type;
    options: Options;
    targets: Query[];
    fieldConfig: Omit<raw.FieldConfigSource, 'defaults'> & {
      defaults: Omit<raw.FieldConfig, 'custom'> & { custom?: Custom };
    };
  };
type Panel =
  | Shown<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | Shown<'stat', stat.Options, never>
  | Shown<'table', table.Options, table.FieldConfig>
  | Shown<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | Omit<raw.RowPanel, 'panels'> & { panels: [] };
type Annotation = Omit<raw.AnnotationQuery, 'target'> & {
  target: Query;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
};
export type Dashboard = Omit<raw.Dashboard, 'panels' | 'annotations'> & {
  panels: Panel[];
  annotations: { list: Annotation[] };
};
